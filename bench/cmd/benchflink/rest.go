package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	restTimeout          = 10 * time.Second
	restMaxResponseBytes = 4 << 20
)

// restClient asks a JobManager what the runner must know.
type restClient struct {
	base   string
	client *http.Client
}

func newRESTClient(port int) *restClient {
	return &restClient{
		base:   fmt.Sprintf("http://127.0.0.1:%d", port),
		client: &http.Client{Timeout: restTimeout},
	}
}

func (r *restClient) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, restMaxResponseBytes))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return json.Unmarshal(body, into)
}

// slots returns how many slots are registered.
func (r *restClient) slots(ctx context.Context) (int, error) {
	var overview struct {
		Total int `json:"slots-total"`
	}
	err := r.get(ctx, "/overview", &overview)
	return overview.Total, err
}

func (r *restClient) jobState(ctx context.Context, id string) (string, error) {
	var status struct {
		Status string `json:"status"`
	}
	err := r.get(ctx, "/jobs/"+id+"/status", &status)
	return status.Status, err
}

// checkpoints returns how many checkpoints of a job were completed.
func (r *restClient) checkpoints(ctx context.Context, id string) (int64, error) {
	var statistics struct {
		Counts struct {
			Completed int64 `json:"completed"`
		} `json:"counts"`
	}
	err := r.get(ctx, "/jobs/"+id+"/checkpoints", &statistics)
	return statistics.Counts.Completed, err
}

// rootException returns the first failure of a job in the words of Flink.
func (r *restClient) rootException(ctx context.Context, id string) string {
	var exceptions struct {
		History struct {
			Entries []struct {
				Stacktrace string `json:"stacktrace"`
			} `json:"entries"`
		} `json:"exceptionHistory"`
	}
	if err := r.get(ctx, "/jobs/"+id+"/exceptions", &exceptions); err != nil {
		return err.Error()
	}
	if len(exceptions.History.Entries) == 0 {
		return "no exception reported"
	}
	return exceptions.History.Entries[0].Stacktrace
}
