package problem

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestList(t *testing.T) {
	var l List
	l.Add(nil)
	a := errors.New("a")
	l.Add(a)
	l.Add(errors.New("b"))
	l.Add(errors.New("a"))
	if got := l.All(); len(got) != 2 || got[0] != a || got[1].Error() != "b" {
		t.Errorf("All = %v", got)
	}
}

func TestListIsBounded(t *testing.T) {
	var l List
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range max {
				l.Add(fmt.Errorf("%d.%d", g, i))
			}
		})
	}
	wg.Wait()
	got := l.All()
	if len(got) != max+1 || !strings.HasPrefix(got[max].Error(), fmt.Sprint(3*max, " more")) {
		t.Errorf("%d entries, the last is %q", len(got), got[len(got)-1])
	}
}
