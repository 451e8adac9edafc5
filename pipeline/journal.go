package pipeline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// A journal is a file of JSON lines that says what was done. A line is on the disk
// before what it says counts: a stage is begun when its line is there, its output gets
// its name when the next one is there, and it is done when the last one is. What a run that was killed leaves at the end of the last
// line is dropped.
type journal struct {
	mu   sync.Mutex
	f    *os.File
	done map[string]*entry // by image and stage
	left map[string]*entry // begun, and not ended
}

// An entry is a line of the journal.
type entry struct {
	Image string `json:"image"`
	Stage string `json:"stage"`
	// Key is a checksum of all that the stage was asked to do.
	Key string `json:"key"`
	// Begin says that the stage was begun.
	Begin bool `json:"begin,omitempty"`
	// Placed are files that were about to get their names; of an entry in memory
	// all that were so since the stage was last done.
	Placed []Print `json:"placed,omitempty"`
	// Failed says that it ended so, and left no output.
	Failed  bool            `json:"failed,omitempty"`
	Output  string          `json:"output,omitempty"`
	Inputs  []Print         `json:"inputs,omitempty"`
	Outputs []Print         `json:"outputs,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Tries   int             `json:"tries,omitempty"`
	Started string          `json:"started,omitempty"`
	Elapsed float64         `json:"elapsed,omitempty"`
}

func (e *entry) id() string { return e.Image + "\x00" + e.Stage }

// maxLine bounds a line: an inspection lists many packages.
const maxLine = 256 << 20

// openJournal opens a journal, which is made if need be, and reads it. No other
// process has it then.
func openJournal(path string) (*journal, error) {
	f, err := openLocked(path)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s: another run has it: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, done: map[string]*entry{}, left: map[string]*entry{}}
	good, err := j.read(f)
	if err == nil {
		err = f.Truncate(good)
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

// readJournal reads a journal and leaves it alone. One that is not there is empty.
func readJournal(path string) (*journal, error) {
	j := &journal{done: map[string]*entry{}, left: map[string]*entry{}}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := j.read(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

// read takes the lines in; good is where they end.
func (j *journal) read(r io.Reader) (good int64, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(b)
		if errors.Is(err, io.EOF) {
			return good, nil // a line without an end was not finished
		}
		if err != nil {
			return good, fmt.Errorf("line %d: %w", number, err)
		}
		var e entry
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil || e.Image == "" || e.Stage == "" {
			return good, fmt.Errorf("line %d is no line of a journal; remove the file to begin anew", number)
		}
		j.take(&e)
		good += int64(len(line))
	}
}

// readLine reads up to the end of a line.
func readLine(b *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := b.ReadSlice('\n')
		line = append(line, piece...)
		if len(line) > maxLine {
			return nil, errors.New("it is too long")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (j *journal) take(e *entry) {
	id := e.id()
	if e.Begin || len(e.Placed) > 0 {
		if old := j.left[id]; old != nil && old.Output == e.Output {
			e.Placed = slices.Concat(old.Placed, e.Placed)
		}
		j.left[id] = e
		return
	}
	delete(j.left, id)
	if e.Failed {
		delete(j.done, id)
		return
	}
	j.done[id] = e
}

// find returns what the journal says of a stage of an image; each may be nil.
func (j *journal) find(image, stage string) (done, left *entry) {
	if j == nil {
		return nil, nil
	}
	id := image + "\x00" + stage
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.done[id], j.left[id]
}

// write adds a line.
func (j *journal) write(e *entry) error {
	if j == nil {
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.f.Write(append(b, '\n')); err != nil {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.take(e)
	return nil
}

func (j *journal) close() error {
	if j == nil || j.f == nil {
		return nil
	}
	return j.f.Close()
}
