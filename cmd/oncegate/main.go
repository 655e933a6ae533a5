package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // opening hours of registers, wherever this runs

	"github.com/spf13/cobra"

	"oncegate/schemas/canon"
)

// version is set by the linker (Makefile).
var version = "dev"

// Exit codes (docs/operating.md).
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitFindings = 3 // lint, test, validate found something
	exitRefused  = 4 // role, reason or approval is missing
)

// A codedError carries the exit code of the process.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

func findings(format string, args ...any) error {
	return &codedError{exitFindings, fmt.Errorf(format, args...)}
}

func main() {
	// net/http quotes there what a peer sends unasked, which may name a person (style 22).
	log.SetOutput(io.Discard)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings passed in, so that tests can run verbs.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// Wrong words are usage errors, not failures, also below the command that cobra
	// adds itself and that writes where the root does.
	root.InitDefaultCompletionCmd()
	wrapArgs(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "oncegate:", err)
	if f, ok := errors.AsType[*canon.Fault](err); ok && f.Code.NextStep() != "" {
		fmt.Fprintln(stderr, "next step:", f.Code.NextStep())
	}
	if c, ok := errors.AsType[*codedError](err); ok {
		return c.code
	}
	return exitError
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "oncegate",
		Short: "Evidence across borders, once, at the person's wish",
		Long: `oncegate is a message-driven integration gateway for cross-border evidence
(EU Once-Only Technical System): registers and eDelivery AS4 on one side,
canonical messages on Kafka in the middle, portals on the other.`,
		Example: `  oncegate demo                                   one evidence crosses a border
  oncegate sandbox                                the same landscape, kept running
  oncegate serve -c deploy/oncegate.yaml          run a node
  oncegate exchange timeline ID -c oncegate.yaml  every step of one exchange`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Version:           version,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w\nsee '%s --help'", err, c.CommandPath())
	})
	root.AddCommand(
		demoCommand(), sandboxCommand(), serveCommand(), configCommand(),
		topicCommand(), replayCommand(), dlqCommand(), exchangeCommand(), messageCommand(), stateCommand(),
		auditCommand(), validateCommand(), connectorCommand(), directoryCommand(), discoverCommand(), doctorCommand(), mapCommand(), pmodeCommand(), versionCommand(),
	)
	return root
}

// wrapArgs gives argument errors the exit code of usage errors, and makes a
// noun without a verb print its help.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usagef("%w\nsee '%s --help'", err, c.CommandPath())
			}
			return nil
		}
	}
	if c.HasSubCommands() && c.RunE == nil {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				meant := ""
				if s := c.SuggestionsFor(args[0]); len(s) > 0 {
					meant = "; did you mean " + strings.Join(s, " or ") + "?"
				}
				return usagef("unknown command %q for %q%s\nsee '%s --help'", args[0], c.CommandPath(), meant, c.CommandPath())
			}
			return c.Help()
		}
	}
	for _, s := range c.Commands() {
		wrapArgs(s)
	}
}
