package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"goflink/core/id"
)

// start starts a worker. If it fails, nothing of it is left.
func (d *Driver) start() (p *process, err error) {
	w, dir, err := d.makeDirectory()
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("worker %s: %w", w, err), os.RemoveAll(dir))
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	out, err := create(root, outFile)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	errs, err := create(root, errFile)
	if err != nil {
		return nil, err
	}
	defer errs.Close()
	if err := d.writeFiles(root, w); err != nil {
		return nil, err
	}
	return d.launch(w, dir, out, errs)
}

// makeDirectory finds the next name that nobody has, and makes its directory.
func (d *Driver) makeDirectory() (w id.Worker, dir string, err error) {
	for {
		d.started++
		w = id.Worker(fmt.Sprintf("%s-%d-%d", d.o.Prefix, d.o.Epoch, d.started))
		dir = d.dir(w)
		if err = os.Mkdir(dir, 0o700); !errors.Is(err, fs.ErrExist) {
			return w, dir, err
		}
	}
}

// writeFiles puts the files of Options.Files into a worker's directory.
func (d *Driver) writeFiles(root *os.Root, w id.Worker) error {
	if d.o.Files == nil {
		return nil
	}
	files, err := d.o.Files(w)
	if err != nil {
		return err
	}
	for name, contents := range files {
		f, err := create(root, name)
		if err != nil {
			return err
		}
		_, err = f.Write(contents)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// create makes a file that is not there, for the user only.
func create(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
}

// launch starts the process and writes its record.
func (d *Driver) launch(w id.Worker, dir string, out, errs *os.File) (*process, error) {
	none, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer none.Close()
	started, err := os.StartProcess(d.o.Binary, append([]string{d.o.Binary}, d.o.Args...),
		&os.ProcAttr{Dir: dir, Env: d.o.Env, Files: []*os.File{none, out, errs}, Sys: ownGroup()})
	if err != nil {
		return nil, fmt.Errorf("the program cannot be started: %w", err)
	}
	p := &process{dir: dir}
	// Nobody has waited for it: even if it has ended, its number is its own.
	p.record, err = describe(w, started.Pid)
	if err == nil {
		var runs bool
		p.watch, runs, err = watchProcess(p.record)
		if err == nil && !runs {
			err = fmt.Errorf("process %d was waited for by somebody else", started.Pid)
		}
	}
	if err == nil {
		err = p.record.write(dir)
	}
	if err != nil {
		if p.watch != nil {
			_ = p.watch.close()
		}
		_ = started.Kill()
		_, _ = started.Wait()
		return nil, err
	}
	return p, started.Release()
}
