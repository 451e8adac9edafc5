// Package overlays holds what rebasing and committing are made of in all formats
// of images that lie upon others.
package overlays
