// Command sessions finds the sessions of users: their clicks without a longer pause between them,
// by the times at which they clicked.
//
//	sessions --input FILE [--gap 30s] [--delay 5s] [--late]
//
// A line of the file is a user and a time in milliseconds, with a comma between: "anna,1500". Lines
// may be out of order by the delay; what comes later is left out, or printed with --late.
package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"goflink/core/eventtime"
	"goflink/core/window"
	"goflink/datastream"
	"goflink/entrypoint"
)

func main() { entrypoint.Main(entrypoint.Programs{"Sessions": Sessions}) }

// Click is what a user did at a time, in milliseconds since the epoch.
type Click struct {
	User string
	Time int64
}

// Session is the clicks of a user without a longer pause.
type Session struct {
	User       string
	Start, End int64
	Clicks     int64
}

// late is the side output of clicks that come after their session was printed.
var late = datastream.NewOutputTag[Click]("late")

// Sessions prints the sessions of the clicks in --input.
func Sessions(env *datastream.Environment, args []string) error {
	params, err := datastream.ParametersFromArgs(args)
	if err != nil {
		return err
	}
	input, err := params.Required("input")
	if err != nil {
		return err
	}
	gap, err := params.GetDuration("gap", 30*time.Second)
	if err != nil {
		return err
	}
	delay, err := params.GetDuration("delay", 5*time.Second)
	if err != nil {
		return err
	}
	// A watermark follows each click, so that the result depends on the clicks alone.
	times := eventtime.Punctuated(func(_ Click, at int64) (int64, bool) {
		return at - delay.Milliseconds() - 1, true
	}).WithTimestamps(func(c Click) int64 { return c.Time })
	lines := datastream.TextFile(env, input).SetParallelism(1)
	clicks := datastream.RichMap(lines, func() parser { return parser{} }).SetParallelism(1).
		AssignTimestampsAndWatermarks(times).SetParallelism(1)
	users := datastream.KeyBy(clicks, func(c Click) string { return c.User })
	sessions := datastream.AggregateWith(
		datastream.Window(users, window.EventTimeSessions[Click](gap)).SideOutputLateData(late),
		counter{}, func() describe { return session })
	sessions.Print()
	if params.Has("late") {
		datastream.SideOutput(sessions, late).PrintAs("late")
	}
	_, err = env.Execute("sessions")
	return err
}

// parser makes clicks of lines; a line that is none fails the job.
type parser struct{}

// Map parses one line.
func (parser) Map(line string) (Click, error) {
	user, text, ok := strings.Cut(line, ",")
	at, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if !ok || err != nil || user == "" {
		return Click{}, fmt.Errorf("the line %q is not USER,MILLISECONDS", line)
	}
	return Click{user, at}, nil
}

// counter counts clicks.
type counter struct{}

// Create is no click.
func (counter) Create() int64 { return 0 }

// Add counts one click.
func (counter) Add(_ Click, n int64) int64 { return n + 1 }

// Merge joins the counts of sessions that became one.
func (counter) Merge(a, b int64) int64 { return a + b }

// Result is the number of clicks.
func (counter) Result(n int64) int64 { return n }

// describe is a function of a session's window and its number of clicks.
type describe = datastream.WindowFunc[string, window.Time, int64, Session]

// session makes the record of a session.
func session(ctx *datastream.WindowContext[string, window.Time], clicks int64,
	out datastream.Collector[Session]) error {
	w := ctx.Window()
	out.Emit(Session{ctx.Key(), w.Start, w.End, clicks})
	return nil
}
