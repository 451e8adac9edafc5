package pipeline

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Problem is what is wrong with a plan, and where.
type Problem struct {
	Where string // "stages[1].convert.to"
	Text  string
	// Line and Column are where that stands in the file of the plan, from 1; 0
	// for a plan that is a value.
	Line, Column int
}

// Error says where and what.
func (p *Problem) Error() string {
	s := p.Text
	if p.Where != "" {
		s = p.Where + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, s)
	}
	return s
}

func problemf(where, text string, args ...any) *Problem {
	return &Problem{Where: where, Text: fmt.Sprintf(text, args...)}
}

// A PlanError is all that is wrong with a plan. It wraps block.ErrOption.
type PlanError struct {
	Problems []*Problem
}

// Error says where and what.
func (e *PlanError) Error() string {
	var lines []string
	for i, p := range e.Problems {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Problems)-i))
			break
		}
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap is the class.
func (e *PlanError) Unwrap() error { return block.ErrOption }

const maxProblems = 20

// position is a place in the file of a plan.
type position struct{ line, column int }

// wrong makes an error of problems, nil if there are none.
func (p *Plan) wrong(list []*Problem) error {
	if len(list) == 0 {
		return nil
	}
	for _, x := range list {
		if x.Line > 0 {
			continue
		}
		for where := x.Where; where != ""; {
			if at, ok := p.at[where]; ok {
				x.Line, x.Column = at.line, at.column
				break
			}
			where = where[:max(strings.LastIndexAny(where, ".["), 0)]
		}
	}
	return &PlanError{list}
}
