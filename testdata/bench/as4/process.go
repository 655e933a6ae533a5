package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// A process under test. It ends with its standard input.
type process struct {
	name    string
	cmd     *exec.Cmd
	stdin   io.Closer
	control string
	url     string
}

var client = &http.Client{Timeout: 10 * time.Minute}

func start(ctx context.Context, name, program string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not start: %w", name, errors.Join(err, cmd.Wait()))
	}
	var said struct{ Control, URL string }
	if err := json.Unmarshal(line, &said); err != nil {
		return nil, fmt.Errorf("%s said %q: %w", name, line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return &process{name: name, cmd: cmd, stdin: in, control: said.Control, url: said.URL}, nil
}

func (p *process) stop() error {
	err := p.stdin.Close()
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(err, p.cmd.Wait())
}

// ask gives the process one command.
func (p *process) ask(ctx context.Context, command, answer any) error {
	b, err := json.Marshal(command)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.control, bytes.NewReader(b))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", p.name, err)
	}
	got, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	var failure struct{ Failure string }
	if err := json.Unmarshal(got, &failure); err != nil {
		return fmt.Errorf("%s answered %q: %w", p.name, got, err)
	}
	if failure.Failure != "" {
		return fmt.Errorf("%s: %s", p.name, failure.Failure)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got, answer)
}

// cpu is what the process has had of all processors, in user and kernel mode.
func (p *process) cpu() (time.Duration, error) { return cpuOf(p.cmd.Process.Pid) }

// cpuOf reads the CPU-time clock of a process: the sum of utime and stime of
// /proc/PID/stat, in nanoseconds instead of hundredths of a second.
func cpuOf(pid int) (time.Duration, error) {
	var ts syscall.Timespec
	clock := uintptr(^pid)<<3 | 2 // clock_getcpuclockid(3)
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(int32(clock)), uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, e)
	}
	return time.Duration(ts.Nano()), nil
}

// memory reads one line of /proc/PID/status, in MB.
func (p *process) memory(name string) (float64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", p.cmd.Process.Pid, name)
}

// watch samples a line of the status until it is stopped and returns the most.
func (p *process) watch(name string) (stop func() float64) {
	done, most := make(chan struct{}), make(chan float64)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		var peak float64
		for {
			select {
			case <-tick.C:
				if v, err := p.memory(name); err == nil {
					peak = max(peak, v)
				}
			case <-done:
				most <- peak
				return
			}
		}
	}()
	var once sync.Once
	var peak float64
	return func() float64 {
		once.Do(func() { close(done); peak = <-most })
		return peak
	}
}
