package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"oncegate/schemas/canon"
)

// A Checkpoint says how far a job has come. It holds the plan, so that a job can
// be resumed by its name.
type Checkpoint struct {
	Plan    *Plan            `json:"plan"`
	Next    map[string]int64 `json:"next"` // topic/partition -> first offset that is not dealt with
	Sent    int              `json:"sent"`
	Skipped map[Reason]int   `json:"skipped,omitempty"`
	Done    bool             `json:"done,omitempty"`
}

// Checkpoints keep the progress of jobs.
type Checkpoints interface {
	// Save replaces the checkpoint of the job c.Plan.ID. Nil means durable.
	Save(ctx context.Context, c *Checkpoint) error
	// Load returns nil where there is no such job.
	Load(ctx context.Context, job string) (*Checkpoint, error)
}

// Resume returns the plan of a job that was begun, to be given to Run.
func (r *Replayer) Resume(ctx context.Context, job string) (*Plan, error) {
	if r.cfg.Checkpoints == nil {
		return nil, canon.NewFault(canon.CodeBadInput, nil, "no checkpoints are kept")
	}
	c, err := r.cfg.Checkpoints.Load(ctx, job)
	if err != nil {
		return nil, fmt.Errorf("loading the checkpoint: %w", err)
	}
	if c == nil {
		return nil, canon.NewFault(canon.CodeBadInput, nil, "no such job")
	}
	if c.Done {
		return nil, ErrDone
	}
	return c.Plan, nil
}

func (r *Replayer) resume(ctx context.Context, p *Plan) (*Checkpoint, error) {
	fresh := &Checkpoint{Plan: p, Next: make(map[string]int64)}
	if r.cfg.Checkpoints == nil {
		return fresh, nil
	}
	c, err := r.cfg.Checkpoints.Load(ctx, p.ID)
	if err != nil {
		return nil, fmt.Errorf("loading the checkpoint: %w", err)
	}
	if c == nil {
		return fresh, nil
	}
	if c.Done {
		return nil, ErrDone
	}
	c.Plan = p
	if c.Next == nil {
		c.Next = make(map[string]int64)
	}
	return c, nil
}

// rest returns what of the spans is not dealt with.
func (c *Checkpoint) rest(spans []Span) []Span {
	var out []Span
	for _, s := range spans {
		if next, ok := c.Next[s.name()]; ok {
			s.From = max(s.From, next)
		}
		if s.From < s.To {
			out = append(out, s)
		}
	}
	return out
}

// FileCheckpoints keeps one file per job in a directory.
type FileCheckpoints struct{ Dir string }

var _ Checkpoints = FileCheckpoints{}

const maxCheckpoint = 16 << 20

// Save replaces the file of the job in one step.
func (f FileCheckpoints) Save(_ context.Context, c *Checkpoint) (err error) {
	name, err := f.path(c.Plan.ID)
	if err != nil {
		return err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding the checkpoint: %w", err)
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(f.Dir, ".checkpoint-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// Load reads the file of the job.
func (f FileCheckpoints) Load(_ context.Context, job string) (*Checkpoint, error) {
	name, err := f.path(job)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCheckpoint {
		return nil, fmt.Errorf("checkpoint %s: larger than %d bytes", job, maxCheckpoint)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var c Checkpoint
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", job, err)
	}
	if c.Plan == nil || c.Plan.ID != job {
		return nil, fmt.Errorf("checkpoint %s: it is of another job", job)
	}
	return &c, nil
}

func (f FileCheckpoints) path(job string) (string, error) {
	if !canon.ValidUUID(job) {
		return "", canon.NewFault(canon.CodeBadInput, nil, "not the name of a job")
	}
	return filepath.Join(f.Dir, job+".json"), nil
}
