// Package pipeline takes images through stages: check, convert, verify, inspect,
// sbom and copy. A [Plan] is a value, or read from YAML by [Load]; [Run] carries it out, and
// its [Report] says all that was done.
//
// What it adds to a loop in a script:
//
//   - a stage is tried again after failures that may pass, within a time, and only
//     where its condition holds;
//   - with a folder for results (Plan.Results), a run that was killed goes on where
//     it was: a journal there says which stages are done, of which bytes, by size,
//     time and checksum of what they read and wrote;
//   - a list of images is shared among processes by nothing but two numbers
//     (Options.Index and Of), as an Indexed Job of Kubernetes counts them;
//   - before anything is written the whole plan is checked: names that nothing
//     has, circles, outputs that would overwrite a source or each other.
//
// No stage starts a program. What a stage writes appears complete or not at all.
package pipeline
