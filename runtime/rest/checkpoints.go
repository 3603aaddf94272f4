package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"goflink/runtime/rest/message"
)

func checkpoints(j Job, r *http.Request) (any, error) {
	c, err := j.Checkpoints(r.Context())
	c.History = notNil(c.History)
	return c, err
}

func checkpointConfig(j Job, r *http.Request) (any, error) {
	return j.CheckpointConfig(r.Context())
}

// begin begins an operation, with the trigger id that the client chose, if it did.
func (s *Server) begin(k key, chosen *message.Trigger,
	f func(ctx context.Context) (message.Operation, error)) (any, error) {
	if k.trigger = message.NewTrigger(); chosen != nil {
		k.trigger = *chosen
	}
	if err := s.async.begin(k, f); err != nil {
		return nil, err
	}
	return message.Triggered{Request: k.trigger}, nil
}

func (s *Server) triggerCheckpoint(r *http.Request) (any, error) {
	j, err := s.job(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody[message.CheckpointRequest](r)
	if err != nil {
		return nil, err
	}
	if body.Type != "" && body.Type != "CONFIGURED" {
		return nil, malformed(fmt.Errorf("checkpointType %q: want CONFIGURED, which is as the "+
			"job's options say", body.Type))
	}
	return s.begin(key{kind: checkpointing, job: j.ID()}, body.Trigger,
		func(ctx context.Context) (message.Operation, error) {
			number, path, err := j.Checkpoint(ctx)
			return message.Operation{Checkpoint: &number, Location: path}, err
		})
}

func (s *Server) triggerSavepoint(r *http.Request) (any, error) {
	j, err := s.job(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody[message.SavepointRequest](r)
	if err == nil {
		err = checkFormat(body.Format)
	}
	if err != nil {
		return nil, err
	}
	return s.begin(key{kind: savepointing, job: j.ID()}, body.Trigger,
		func(ctx context.Context) (message.Operation, error) {
			path, err := j.Savepoint(ctx, body.Target)
			if err == nil && body.Cancel {
				err = j.Cancel(ctx)
			}
			return message.Operation{Location: path}, err
		})
}

func (s *Server) triggerStop(r *http.Request) (any, error) {
	j, err := s.job(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody[message.StopRequest](r)
	if err == nil {
		err = checkFormat(body.Format)
	}
	if err != nil {
		return nil, err
	}
	return s.begin(key{kind: savepointing, job: j.ID()}, body.Trigger,
		func(ctx context.Context) (message.Operation, error) {
			path, err := j.Stop(ctx, body.Target, body.Drain)
			return message.Operation{Location: path}, err
		})
}

// checkFormat accepts the format that there is.
func checkFormat(format string) error {
	if format != "" && format != "CANONICAL" {
		return malformed(fmt.Errorf("formatType %q: want CANONICAL, the only format", format))
	}
	return nil
}

func (s *Server) triggerDisposal(r *http.Request) (any, error) {
	body, err := readBody[message.DisposalRequest](r)
	if err != nil {
		return nil, err
	}
	if body.Path == "" {
		return nil, malformed(errors.New("savepoint-path is missing"))
	}
	return s.begin(key{kind: disposal}, nil, func(ctx context.Context) (message.Operation, error) {
		return message.Operation{}, s.o.Gateway.DisposeSavepoint(ctx, body.Path)
	})
}

func (s *Server) savepointProgress(r *http.Request) (any, error) {
	return s.progress(r, savepointing)
}

func (s *Server) checkpointProgress(r *http.Request) (any, error) {
	return s.progress(r, checkpointing)
}

// progress tells of an operation of a job. The job itself may be forgotten by now.
func (s *Server) progress(r *http.Request, kind kind) (any, error) {
	t, err := triggerOf(r)
	if err != nil {
		return nil, err
	}
	k := key{kind: kind, trigger: t}
	if err := k.job.UnmarshalText([]byte(r.PathValue("job"))); err != nil {
		return nil, malformed(err)
	}
	return s.async.find(k)
}

func (s *Server) disposalProgress(r *http.Request) (any, error) {
	t, err := triggerOf(r)
	if err != nil {
		return nil, err
	}
	return s.async.find(key{kind: disposal, trigger: t})
}
