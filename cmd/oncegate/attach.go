package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
)

// A target is the deployment that a verb works on.
type target struct {
	config string
}

// configFlag adds -c to a command. ONCEGATE_CONFIG is its default.
func configFlag(c *cobra.Command) *target {
	t := &target{}
	def := os.Getenv("ONCEGATE_CONFIG")
	if def == "" {
		def = "oncegate.yaml"
	}
	c.PersistentFlags().StringVarP(&t.config, "config", "c", def, "configuration file of the deployment (or $ONCEGATE_CONFIG)")
	_ = c.MarkPersistentFlagFilename("config", "yaml", "yml")
	return t
}

// with connects to the deployment for the time of f.
func (t *target) with(c *cobra.Command, f func(*node.Node) error) error {
	cfg, err := node.Load(t.config)
	if err != nil {
		return &codedError{exitUsage, err}
	}
	n, err := node.Attach(c.Context(), cfg, node.Options{Logger: newLogger(c.ErrOrStderr(), slog.LevelWarn, "text")})
	if err != nil {
		return err
	}
	defer n.Close()
	return f(n)
}

// newLogger writes to stderr in the given format.
func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, opt))
	}
	return slog.New(slog.NewJSONHandler(w, opt))
}

// stateDir is where the tools of an operator keep progress: XDG_STATE_HOME.
func stateDir() string {
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "oncegate")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "oncegate")
	}
	return filepath.Join(home, ".local", "state", "oncegate")
}
