package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// DefaultTerm is how long entries are kept: twelve months and the day on which
// they end. National law may ask for more.
const DefaultTerm = 367 * 24 * time.Hour

// A Config says what a Trail works with.
type Config struct {
	Dir  string           // Required. A directory of its own; one process writes to it.
	Term time.Duration    // Default: DefaultTerm. Shorter ones are refused.
	Now  func() time.Time // Default: time.Now.

	// ReadOnly opens the record of a process that keeps it, to read and verify. A
	// last line that is still being written is passed over.
	ReadOnly bool
}

// A Trail is the record on disk: per partition one file of JSON lines, each an
// Entry; a first line with an anchor where older entries were forgotten.
type Trail struct {
	cfg   Config
	mu    sync.Mutex
	files map[int]*file
}

// Open reads the heads of what is there. A last line that was not written to
// its end is cut off: its record comes again from the log.
func Open(cfg Config) (*Trail, error) {
	var faults []error
	if cfg.Dir == "" {
		faults = append(faults, errors.New("audit trail: Dir is required"))
	}
	if cfg.Term == 0 {
		cfg.Term = DefaultTerm
	}
	if cfg.Term < DefaultTerm {
		faults = append(faults, fmt.Errorf("audit trail: a term of %v is shorter than twelve months (IR 2022/1463 Art. 17(4))", cfg.Term))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ReadOnly {
		if _, err := os.Stat(cfg.Dir); err != nil {
			return nil, fmt.Errorf("opening the audit directory: %w", err)
		}
	} else if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the audit directory: %w", err)
	}
	t := &Trail{cfg: cfg, files: map[int]*file{}}
	partitions, err := t.partitions()
	if err != nil {
		return nil, err
	}
	for _, p := range partitions {
		if _, err := t.file(p); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	return t, nil
}

var errReadOnly = errors.New("audit trail: opened to read only")

// Close closes the files.
func (t *Trail) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var faults []error
	for _, f := range t.files {
		faults = append(faults, f.f.Close())
	}
	t.files = map[int]*file{}
	return errors.Join(faults...)
}

func (t *Trail) path(partition int) string {
	return filepath.Join(t.cfg.Dir, fmt.Sprintf("audit-%05d.jsonl", partition))
}

func (t *Trail) partitions() ([]int, error) {
	names, err := filepath.Glob(filepath.Join(t.cfg.Dir, "audit-*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("listing the audit directory: %w", err)
	}
	var out []int
	for _, n := range names {
		p, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(n), "audit-"), ".jsonl"))
		if err != nil || n != t.path(p) {
			return nil, fmt.Errorf("reading the audit directory: %s is not of ours", filepath.Base(n))
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return out, nil
}

// file opens the file of a partition and finds its head.
func (t *Trail) file(partition int) (*file, error) {
	if f := t.files[partition]; f != nil {
		return f, nil
	}
	mode := os.O_RDWR | os.O_CREATE
	if t.cfg.ReadOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(t.path(partition), mode, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit trail: %w", err)
	}
	head, end, err := tail(f, partition)
	if err == nil && !t.cfg.ReadOnly {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the audit trail: %w", err), f.Close())
	}
	t.files[partition] = &file{f: f, head: head}
	return t.files[partition], nil
}

// Append links records to their chains and returns when they are on disk. Per
// partition they come in the order of the log; what is there already is passed
// over, so the same records may come again.
func (t *Trail) Append(ctx context.Context, records ...Record) error {
	if t.cfg.ReadOnly {
		return errReadOnly
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	touched := map[*file]*bytes.Buffer{}
	heads := map[*file]Head{}
	for _, r := range records {
		f, err := t.file(r.Partition)
		if err != nil {
			return err
		}
		h, ok := heads[f]
		if !ok {
			h = f.head
		}
		if h.Hash != "" && r.Offset <= h.Offset {
			continue
		}
		e, err := h.next(r)
		if err != nil {
			return err
		}
		text, err := json.Marshal(line{Entry: &e})
		if err != nil {
			return fmt.Errorf("encoding an audit entry: %w", err)
		}
		if touched[f] == nil {
			touched[f] = &bytes.Buffer{}
		}
		touched[f].Write(append(text, '\n'))
		heads[f] = e.head()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for f, b := range touched {
		if err := f.write(b.Bytes()); err != nil {
			return fmt.Errorf("writing the audit trail: %w", err)
		}
		f.head = heads[f]
	}
	return nil
}

// Heads returns where each chain stands, by partition.
func (t *Trail) Heads() []Head {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Head
	for _, f := range t.files {
		if f.head.Hash != "" {
			out = append(out, f.head)
		}
	}
	slices.SortFunc(out, func(a, b Head) int { return cmp.Compare(a.Partition, b.Partition) })
	return out
}

// Verify follows every chain from its anchor and returns all breaks at once.
func (t *Trail) Verify(ctx context.Context) error {
	partitions, err := t.partitions()
	if err != nil {
		return err
	}
	var faults []error
	for _, p := range partitions {
		from, entries, err := t.read(ctx, p)
		if err == nil {
			var end Head
			end, err = Verify(from, entries)
			// Who only reads may meet entries that came after Open.
			if held := t.head(p); err == nil && end.Hash != held.Hash && !t.cfg.ReadOnly {
				err = &Break{Partition: p, Offset: end.Offset, Reason: "entries at the end are missing"}
			}
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (t *Trail) head(partition int) Head {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.files[partition]; f != nil {
		return f.head
	}
	return Head{}
}

// Of returns what is recorded of one conversation, by time; a record that stands
// on the log twice is told once.
func (t *Trail) Of(ctx context.Context, id canon.ConversationID) ([]Entry, error) {
	partitions, err := t.partitions()
	if err != nil {
		return nil, err
	}
	var out []Entry
	seen := map[canon.MessageID]bool{}
	for _, p := range partitions {
		_, entries, err := t.read(ctx, p)
		if err != nil {
			return nil, err
		}
		for e, err := range entries {
			if err != nil {
				return nil, err
			}
			if e.Conversation == id && !seen[e.Message] {
				seen[e.Message] = true
				out = append(out, e)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return a.At.Compare(b.At) })
	return out, nil
}

// read returns the anchor and the entries of a partition as they are now on
// disk.
func (t *Trail) read(ctx context.Context, partition int) (Head, iter.Seq2[Entry, error], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, err := os.Open(t.path(partition))
	if err != nil {
		return Head{}, nil, fmt.Errorf("opening the audit trail: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return Head{}, nil, errors.Join(fmt.Errorf("reading the audit trail: %w", err), f.Close())
	}
	// Only what was there now: a writer may go on.
	b := bufio.NewReaderSize(io.LimitReader(f, info.Size()), 1<<16)
	from := Head{Partition: partition}
	var first []byte
	if first, err = readLine(b); err == nil {
		l, derr := decode(first)
		if derr == nil && l.Anchor != nil {
			from, first = *l.Anchor, nil
		}
	} else if !errors.Is(err, io.EOF) {
		return Head{}, nil, errors.Join(fmt.Errorf("reading the audit trail: %w", err), f.Close())
	}
	return from, func(yield func(Entry, error) bool) {
		defer f.Close()
		for text := first; ; text = nil {
			if text == nil {
				var err error
				if text, err = readLine(b); errors.Is(err, io.EOF) {
					return
				} else if err != nil {
					yield(Entry{}, fmt.Errorf("reading the audit trail: %w", err))
					return
				}
			}
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			l, err := decode(text)
			if err == nil && l.Entry == nil {
				err = errors.New("decoding a line: an anchor in the middle")
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(*l.Entry, nil) {
				return
			}
		}
	}, nil
}

// Forget drops the entries whose term has ended, from the front of each chain
// to the first that has not, and leaves an anchor: the rest still verifies. It
// returns how many were dropped.
func (t *Trail) Forget(ctx context.Context) (int, error) {
	if t.cfg.ReadOnly {
		return 0, errReadOnly
	}
	before := t.cfg.Now().Add(-t.cfg.Term).UTC()
	partitions, err := t.partitions()
	if err != nil {
		return 0, err
	}
	dropped := 0
	for _, p := range partitions {
		n, err := t.forget(ctx, p, before)
		if err != nil {
			return dropped, fmt.Errorf("forgetting audit entries: %w", err)
		}
		dropped += n
	}
	return dropped, nil
}

func (t *Trail) forget(ctx context.Context, partition int, before time.Time) (dropped int, err error) {
	anchor, entries, err := t.read(ctx, partition)
	if err != nil {
		return 0, err
	}
	for e, err := range entries {
		if err != nil {
			return 0, err
		}
		if !e.At.Before(before) {
			break
		}
		anchor = e.head()
		dropped++
	}
	if dropped == 0 {
		return 0, nil
	}
	anchor.Until = before
	t.mu.Lock()
	defer t.mu.Unlock()
	return dropped, t.rewrite(partition, anchor)
}

// rewrite replaces a file by an anchor and the entries behind it, all or nothing.
func (t *Trail) rewrite(partition int, anchor Head) error {
	old, err := t.file(partition)
	if err != nil {
		return err
	}
	src, err := os.Open(t.path(partition))
	if err != nil {
		return err
	}
	defer src.Close()
	err = replace(t.path(partition), func(w *bufio.Writer) error {
		first, err := json.Marshal(line{Anchor: &anchor})
		if err != nil {
			return err
		}
		w.Write(append(first, '\n')) // Flush tells
		for b := bufio.NewReaderSize(src, 1<<16); ; {
			text, err := readLine(b)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			l, err := decode(text)
			if err != nil {
				return err
			}
			if l.Entry != nil && l.Entry.Offset > anchor.Offset {
				w.Write(append(text, '\n'))
			}
		}
	})
	if err != nil {
		return err
	}
	delete(t.files, partition)
	if err := old.f.Close(); err != nil {
		return err
	}
	_, err = t.file(partition)
	return err
}
