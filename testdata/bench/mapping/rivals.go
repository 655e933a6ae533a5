package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// libxslt runs xsltproc over many files in one call. What it needs to start and to
// compile the stylesheet is taken off: the CPU time of a call with one file.
func libxslt(ctx context.Context, o options, docs []document, check func(int, []byte) error) (engine, error) {
	sheet := filepath.Join(o.dir, "rules.xsl")
	call := func(file string, count int) (time.Duration, []byte, error) {
		args := append([]string{"--nonet", sheet}, slices.Repeat([]string{file}, count)...)
		cmd := exec.CommandContext(ctx, o.xsltproc, args...)
		var out, faults bytes.Buffer
		if cmd.Stderr = &faults; count == 1 {
			cmd.Stdout = &out
		}
		if err := cmd.Run(); err != nil {
			return 0, nil, fmt.Errorf("%w: %s", err, faults.String())
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), out.Bytes(), nil
	}
	many := make([]int, len(docs)) // files of a call: about half a second of work
	for i, d := range docs {
		_, made, err := call(d.file, 1)
		if err != nil {
			return engine{}, err
		}
		if err := check(i, made); err != nil {
			return engine{}, err
		}
		many[i] = max(20, 8<<20/len(d.text))
	}
	return engine{"xsltproc", "XSLT, xsltproc (libxslt)", true, func(_ context.Context, doc int, _ time.Duration) (int, time.Duration, error) {
		start, _, err := call(docs[doc].file, 1)
		if err != nil {
			return 0, 0, err
		}
		all, _, err := call(docs[doc].file, 1+many[doc])
		return many[doc], all - start, err
	}}, nil
}

// saxon starts the Java peer (testdata/peers/xslt) and warms it up.
func saxon(ctx context.Context, o options, docs []document, check func(int, []byte) error) (engine, func(), error) {
	sheet, err := os.ReadFile(filepath.Join(o.dir, "rules.xsl"))
	if err != nil {
		return engine{}, nil, err
	}
	// In backwards compatible mode Saxon would do less well.
	newer := filepath.Join(o.out, "rules-3.0.xsl")
	if err := os.WriteFile(newer, bytes.Replace(sheet, []byte(`stylesheet version="1.0"`), []byte(`stylesheet version="3.0"`), 1), 0o600); err != nil {
		return engine{}, nil, err
	}
	args := []string{"-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", filepath.Join(o.saxon, "peer.jar") + ":" + filepath.Join(o.saxon, "lib", "*"), "oncegate.Transform", newer}
	for _, d := range docs {
		args = append(args, d.file)
	}
	cmd := exec.CommandContext(ctx, "java", args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return engine{}, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return engine{}, nil, err
	}
	if err := cmd.Start(); err != nil {
		return engine{}, nil, err
	}
	done := func() {
		_ = in.Close() // it ends at the end of its input
		_ = cmd.Wait()
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		done()
		return engine{}, nil, errors.Join(errors.New("it did not start"), err)
	}
	measure := func(_ context.Context, doc int, slice time.Duration) (int, time.Duration, error) {
		if _, err := io.WriteString(in, fmt.Sprintf("%d %f\n", doc, slice.Seconds())); err != nil {
			return 0, 0, err
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			return 0, 0, err
		}
		var count int
		var nanos int64
		_, err = fmt.Sscan(line, &count, &nanos)
		return count, time.Duration(nanos), err
	}
	for i, d := range docs {
		made, err := os.ReadFile(d.file + ".saxon.xml")
		if err == nil {
			err = check(i, made)
		}
		if err == nil {
			fmt.Fprintf(os.Stderr, "bench-mapping: warming the JVM up, %s\n", d.name)
			_, _, err = measure(ctx, i, o.warm)
		}
		if err != nil {
			done()
			return engine{}, nil, err
		}
	}
	return engine{"saxon", "XSLT, Saxon-HE 12.5, warmed up", true, measure}, done, nil
}
