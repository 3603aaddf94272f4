// Package datastream is the DataStream API: a program makes streams from sources, transforms them
// and ends them in sinks; nothing runs until Execute (R33, R35).
//
//	func WordCount(env *datastream.Environment, args []string) error {
//		lines := datastream.TextFile(env, "input.txt")
//		words := datastream.FlatMap(lines, split)
//		counts := datastream.KeyBy(words, func(w Count) string { return w.Word }).Sum("count")
//		counts.Print()
//		_, err := env.Execute("word count")
//		return err
//	}
//
// What keeps the element type is a method (s.Filter), what changes it a function (Map(s, f)): Go
// methods have no type parameters. Larger things are functions too (WriteText(s, path)): methods
// are compiled for each type of records, functions where they are used.
//
// A plain function that is handed to a transformation must be pure: it may be called by several
// subtasks at once. What has state of its own, or opens and closes something, is handed over as a
// factory, which is called once per subtask and attempt.
//
// Mistakes in the use of the API (a type that cannot be serialised, an unknown field) are kept by
// the environment and returned by Execute.
package datastream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"strings"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/job"
	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/routing"
	"goflink/operator/writing"
)

// MaxErrors bounds the mistakes that an environment remembers.
const MaxErrors = 20

// Executor runs jobs; package entrypoint makes them.
type Executor interface {
	// Submit hands a job over. It returns once the job is accepted.
	Submit(ctx context.Context, j *graph.JobGraph, code *graph.Code) (job.Client, error)
}

// Planner is implemented by executors that only want to see the program: they get its graph instead
// of a job, and Execute returns their error.
type Planner interface {
	// Plan takes the program as a graph of operators; its error is that of Execute.
	Plan(g *graph.StreamGraph) error
}

// Environment is where a program is built. One goroutine uses it.
type Environment struct {
	ctx      context.Context
	executor Executor
	conf     *config.Configuration
	files    *filesystem.Registry
	printer  *writing.Printer

	transformations []*graph.Transformation
	types           map[reflect.Type]any
	// ingestion makes the operators that stamp the records of a source, by the type of its output.
	ingestion map[operator.OutputType]operator.Factory
	// badType is the mistake in a type that waits for the name of the operator that uses it.
	badType error
	errs    []error
	once    map[string][]byte
	// collections numbers the collections of the program; collected are those of the job being
	// built, encoded, by their names in JobGraph.Once.
	collections int
	collected   map[string][]byte
	// compiled are told of the job that the program was compiled into.
	compiled []func(j *graph.JobGraph) error
}

// Options is what an environment stands on.
type Options struct {
	// Executor runs the jobs.
	Executor Executor
	// Config is what the command line and the configuration file say; what the program sets ranks
	// above it where Flink ranks it so.
	Config *config.Configuration
	// Files are the file systems that sources and sinks use.
	Files *filesystem.Registry
	// Out is where Print writes; nil means the standard output.
	Out io.Writer
	// Once has the values of Once, encoded, where a program is run again: JobGraph.Once of the job
	// that is to be built.
	Once map[string][]byte
}

// New returns an environment. ctx ends the jobs that Execute waits for.
func New(ctx context.Context, o Options) *Environment {
	if o.Out == nil {
		o.Out = os.Stdout
	}
	once := map[string][]byte{}
	maps.Copy(once, o.Once)
	return &Environment{ctx: ctx, executor: o.Executor, conf: o.Config.Clone(), files: o.Files,
		printer: writing.NewPrinter(o.Out), types: map[reflect.Type]any{},
		ingestion: map[operator.OutputType]operator.Factory{}, once: once}
}

// Files are the file systems that the program may use.
func (e *Environment) Files() *filesystem.Registry { return e.files }

// Context ends when the program should end.
func (e *Environment) Context() context.Context { return e.ctx }

// Config returns the configuration for reading; Set changes it.
func (e *Environment) Config() *config.Configuration { return e.conf }

// Set sets a configuration option for the jobs of this environment.
func (e *Environment) Set(key, value string) *Environment {
	e.conf.Set(key, value, "the program")
	return e
}

// SetParallelism sets the parallelism of operators that are given none (R22).
func (e *Environment) SetParallelism(n int) *Environment {
	if n < 1 {
		e.fail(fmt.Errorf("SetParallelism(%d): the parallelism must be at least 1", n))
		return e
	}
	return e.Set(config.ParallelismDefault.Key, fmt.Sprint(n))
}

// SetMaxParallelism sets the maximal parallelism of operators that are given none (R31).
func (e *Environment) SetMaxParallelism(n int) *Environment {
	return e.Set(config.PipelineMaxParallelism.Key, fmt.Sprint(n))
}

// DisableChaining runs every operator as a task of its own.
func (e *Environment) DisableChaining() *Environment {
	return e.Set(config.PipelineOperatorChaining.Key, "false")
}

// fail keeps a mistake for Execute.
func (e *Environment) fail(err error) {
	if err != nil && len(e.errs) < MaxErrors {
		e.errs = append(e.errs, err)
	}
}

// Transformations are the steps of the program so far, in the order of their making (R24).
func (e *Environment) Transformations() []*graph.Transformation { return e.transformations }

// failAt keeps a mistake in the use of the operator with the given name for Execute.
func (e *Environment) failAt(name string, err error) {
	if err != nil {
		e.fail(fmt.Errorf("operator %q: %w", name, err))
	}
}

// add registers a transformation.
func (e *Environment) add(t *graph.Transformation) *graph.Transformation {
	if e.badType != nil {
		e.failAt(t.Name, e.badType)
		e.badType = nil
	}
	t.ID = len(e.transformations) + 1
	e.transformations = append(e.transformations, t)
	return t
}

// Compile turns the program so far into a job and its code, and begins a new program.
func (e *Environment) Compile(name string) (*graph.JobGraph, *graph.Code, error) {
	g, err := e.StreamGraph(name)
	if err != nil {
		return nil, nil, err
	}
	if p, ok := e.executor.(Planner); ok {
		return nil, nil, p.Plan(g)
	}
	j, code, err := g.Compile()
	if err != nil {
		return nil, nil, err
	}
	if j.Restore, err = e.restore(); err != nil {
		return nil, nil, err
	}
	j.Once = map[string][]byte{}
	maps.Copy(j.Once, e.once)
	maps.Copy(j.Once, e.collected)
	for _, f := range e.compiled {
		if err := f(j); err != nil {
			return nil, nil, err
		}
	}
	e.transformations, e.collected, e.compiled = nil, nil, nil
	return j, code, nil
}

// restore is what jobs start from.
func (e *Environment) restore() (r graph.RestoreSettings, err error) {
	if r.Path, err = config.Get(e.conf, config.ExecutionSavepointPath); err != nil || r.Path == "" {
		return r, err
	}
	r.AllowNonRestored, err = config.Get(e.conf, config.ExecutionSavepointIgnoreUnclaimedState)
	if err != nil {
		return r, err
	}
	mode, err := config.Get(e.conf, config.ExecutionSavepointClaimMode)
	if err == nil && mode != config.NoClaim {
		err = fmt.Errorf("%s is %s: a job does not take over the files that it starts from; use "+
			"%s, and remove them when a later checkpoint is complete",
			config.ExecutionSavepointClaimMode.Key, mode, config.NoClaim)
	}
	return r, err
}

// onCompile lets f see the job that the program will be compiled into.
func (e *Environment) onCompile(f func(j *graph.JobGraph) error) {
	e.compiled = append(e.compiled, f)
}

// StreamGraph is the program so far as a graph of operators.
func (e *Environment) StreamGraph(name string) (*graph.StreamGraph, error) {
	e.fail(e.badType)
	if e.badType = nil; len(e.errs) > 0 {
		return nil, errors.Join(e.errs...)
	}
	s, err := e.settings(name)
	if err != nil {
		return nil, err
	}
	ts, err := e.stamped()
	if err != nil {
		return nil, err
	}
	g, err := graph.NewStreamGraph(ts, s)
	if err != nil {
		return nil, err
	}
	return g, e.checkUIDs(g)
}

// checkUIDs refuses operators without a UID where none may be derived from their place.
func (e *Environment) checkUIDs(g *graph.StreamGraph) error {
	auto, err := config.Get(e.conf, config.PipelineAutoGenerateUIDs)
	if err != nil || auto {
		return err
	}
	for _, n := range g.Nodes {
		if n.T.UID == "" {
			return fmt.Errorf("operator %q has no UID, and %s is false: give it one by UID(...)",
				n.T.Name, config.PipelineAutoGenerateUIDs.Key)
		}
	}
	return nil
}

func (e *Environment) settings(name string) (s graph.Settings, err error) {
	if s.Parallelism, err = config.Get(e.conf, config.ParallelismDefault); err != nil {
		return s, err
	}
	if s.MaxParallelism, err = config.Get(e.conf, config.PipelineMaxParallelism); err != nil {
		return s, err
	}
	s.MaxParallelism = max(0, s.MaxParallelism)
	if s.Chaining, err = config.Get(e.conf, config.PipelineOperatorChaining); err != nil {
		return s, err
	}
	if s.JobName = name; strings.TrimSpace(name) == "" {
		if s.JobName, err = config.Get(e.conf, config.PipelineName); err != nil {
			return s, err
		}
		if s.JobName == "" {
			s.JobName = "Flink Streaming Job"
		}
	}
	s.Config = e.conf.ToMap()
	return s, nil
}

// Execute runs the program that was built and waits for its end. Several calls in one program run
// one job each. An empty name is replaced by pipeline.name.
func (e *Environment) Execute(name string) (job.Result, error) {
	c, err := e.ExecuteAsync(name)
	if err != nil {
		return job.Result{}, err
	}
	return c.Wait(e.ctx)
}

// ExecuteAsync submits the program that was built and returns at once.
func (e *Environment) ExecuteAsync(name string) (job.Client, error) {
	j, code, err := e.Compile(name)
	if err != nil {
		return nil, err
	}
	return e.executor.Submit(e.ctx, j, code)
}

// Once returns the value under name, which f makes at the first call. The value travels with the
// jobs of the environment: wherever the program is built again, f is not called, and the value is
// the same. Start times, random seeds and the results of queries come from it.
func Once[T any](e *Environment, name string, f func() (T, error)) (v T, err error) {
	info, err := typeinfo.Of[T]()
	if err != nil {
		return v, fmt.Errorf("Once(%q): %w", name, err)
	}
	if b, ok := e.once[name]; ok {
		_, err = info.Decode(b, &v)
		return v, err
	}
	if v, err = f(); err != nil {
		return v, fmt.Errorf("Once(%q): %w", name, err)
	}
	b, err := info.Append(nil, &v)
	if err != nil {
		return v, fmt.Errorf("Once(%q): %w", name, err)
	}
	e.once[name] = b
	// What every process sees is what was encoded.
	var seen T
	_, err = info.Decode(b, &seen)
	return seen, err
}

// typeOf returns the type of T in this environment; there is one per Go type. It is nil if records
// cannot be of that type; the mistake is reported with the name of the transformation that is added
// next.
func typeOf[T any](e *Environment) *routing.Type[T] {
	key := reflect.TypeFor[T]()
	if t, ok := e.types[key]; ok {
		return t.(*routing.Type[T])
	}
	generic, err := config.Get(e.conf, config.PipelineGenericTypes)
	e.fail(err)
	var opts []typeinfo.Option
	if !generic {
		opts = append(opts, typeinfo.WithoutGeneric())
	}
	info, err := typeinfo.Of[T](opts...)
	if err != nil {
		e.badType = fmt.Errorf("records of type %s: %w", key, err)
		// The program is built on, to report all mistakes; it is never run.
		e.types[key] = (*routing.Type[T])(nil)
		return nil
	}
	t := routing.NewType(info)
	e.types[key] = t
	e.ingestion[t] = process.IngestionTime[T]()
	return t
}
