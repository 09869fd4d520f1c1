package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

type row struct{ what, measured, goal, verdict string }

type table struct{ rows []row }

// add adds a row; goal is "" when there is none.
func (t *table) add(what, measured, goal string, met bool) {
	verdict := ""
	switch {
	case goal == "":
	case met:
		verdict = "met"
	default:
		verdict = "MISSED"
	}
	t.rows = append(t.rows, row{what, measured, goal, verdict})
}

// head begins a group of rows.
func (t *table) head(format string, args ...any) {
	t.rows = append(t.rows, row{what: fmt.Sprintf(format, args...)})
}

func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for _, r := range t.rows {
		if r.measured == "" {
			tw.Flush()
			fmt.Fprintf(w, "\n%s\n", r.what)
			continue
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", r.what, r.measured, r.goal, r.verdict)
	}
	tw.Flush()
}

func ms(d time.Duration) string {
	if d > 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func times(r float64) string { return fmt.Sprintf("%.2f ×", r) }
