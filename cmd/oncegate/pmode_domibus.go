package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/pmode/domibus"
	"oncegate/connectors/edelivery/wssec"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

type importFlags struct {
	certificates, truststore, password string
	domain, certificate, key, out      string
	force, strict                      bool
}

func pmodeImport() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use: "import FILE", Short: "Turn the P-Mode XML of Domibus into our P-Modes",
		Long: `Read the P-Mode XML of Domibus (4.0 to 5.1) and write it as our P-Modes. A file
that Domibus would refuse is refused with every issue and exit code 3. Issues that
Domibus takes, and what cannot be carried over, are told on standard error.

Certificates are not in the file: Domibus keeps them in a trust store, under the
names of the parties. --certificates names a directory with NAME.pem, or with
NAME_rsa_sign.pem and NAME_rsa_encrypt.pem (ecc for profile 2.0). --truststore
reads them out of a PKCS#12 store and writes them there.`,
		Example: "  oncegate pmode import domibus.xml --certificates partners -O pmodes.yaml\n" +
			"  oncegate pmode import domibus.xml --truststore gateway_truststore.p12 --password-file pw --certificates partners -O pmodes.yaml",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&f.certificates, "certificates", "", "directory with the certificates of the parties")
	c.Flags().StringVar(&f.truststore, "truststore", "", "PKCS#12 trust store of Domibus; its certificates are written to --certificates")
	c.Flags().StringVar(&f.password, "password-file", "", "file with the password of the trust store")
	c.Flags().StringVar(&f.domain, "own-domain", "", "right side of our MessageIds (default: the host of our endpoint)")
	c.Flags().StringVar(&f.certificate, "own-certificate", "", "file of our certificate (default as4.pem)")
	c.Flags().StringVar(&f.key, "own-key", "", "file of our key (default as4.key)")
	c.Flags().StringVarP(&f.out, "out", "O", "", "file to write (default: standard output)")
	c.Flags().BoolVar(&f.force, "force", false, "overwrite the file")
	c.Flags().BoolVar(&f.strict, "strict", false, "refuse the file for any issue, not only for those for which Domibus would")
	c.RunE = func(c *cobra.Command, args []string) error { return f.run(c, args[0]) }
	return c
}

func (f importFlags) run(c *cobra.Command, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return usagef("%w", err)
	}
	conf := domibus.Read(file, data)
	for _, i := range conf.Issues {
		fmt.Fprintln(c.ErrOrStderr(), i.Error())
	}
	if conf.Refused() != nil || f.strict && len(conf.Issues) > 0 {
		return findings("%s is refused: %d issues", file, len(conf.Issues))
	}
	if f.truststore != "" {
		if err := f.unpack(); err != nil {
			return err
		}
	}
	files, missing := f.finder()
	draft, notes := conf.Draft(domibus.Options{
		Domain: f.domain, Identity: pmode.IdentityFiles{Certificate: f.certificate, Key: f.key}, Certificates: files,
	})
	y, err := draft.YAML()
	if err != nil {
		return err
	}
	if err := writeResult(c, f.out, f.force, y); err != nil {
		return err
	}
	for _, n := range notes {
		notesTo(c.ErrOrStderr(), file, n.Line, n.Text)
	}
	for _, name := range sortedKeys(missing) {
		notesTo(c.ErrOrStderr(), file, 0, fmt.Sprintf("no certificate of party %q was found: put it into %s", name, missing[name]))
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d agreements; next step: oncegate pmode check\n", len(draft.Partners))
	return nil
}

// finder returns what names the certificates of a party, relative to the file that
// is written, and which were not found.
func (f importFlags) finder() (find func(string, wssec.Profile) (sign, encrypt []string), missing map[string]string) {
	have := map[string]string{}
	if f.certificates != "" {
		entries, err := os.ReadDir(f.certificates)
		if err == nil { // a directory that is not there has no certificates
			for _, e := range entries {
				if ext := filepath.Ext(e.Name()); ext == ".pem" || ext == ".crt" || ext == ".cer" {
					have[strings.ToLower(strings.TrimSuffix(e.Name(), ext))] = e.Name()
				}
			}
		}
	}
	missing = map[string]string{}
	named := func(name string) string {
		file := filepath.Join(f.certificates, name)
		if filepath.IsAbs(file) || f.out == "" || f.out == "-" {
			return file
		}
		if rel, err := filepath.Rel(filepath.Dir(f.out), file); err == nil {
			return rel
		}
		return file
	}
	return func(party string, profile wssec.Profile) (sign, encrypt []string) {
		base := domibus.FileName(party)
		kind := "_rsa"
		if profile != wssec.Profile115 {
			kind = "_ecc"
		}
		look := func(use string) []string {
			for _, suffix := range []string{kind + use, use, ""} {
				if file, ok := have[strings.ToLower(base+suffix)]; ok {
					return []string{named(file)}
				}
			}
			missing[party] = named(base + ".pem")
			return []string{named(base + ".pem")}
		}
		return look("_sign"), look("_encrypt")
	}, missing
}

// unpack writes the certificates of a trust store as PEM files.
func (f importFlags) unpack() error {
	if f.certificates == "" || f.password == "" {
		return usagef("--truststore wants --password-file, and --certificates for the directory to write to")
	}
	store, err := os.ReadFile(f.truststore)
	if err != nil {
		return usagef("%w", err)
	}
	password, err := os.ReadFile(f.password)
	if err != nil {
		return usagef("%w", err)
	}
	certs, err := keystore.Truststore(store, strings.TrimRight(string(password), "\r\n"))
	if err != nil {
		return fmt.Errorf("reading trust store: %w", err)
	}
	if err := os.MkdirAll(f.certificates, 0o755); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	for _, alias := range sortedKeys(certs) {
		if err := f.put(filepath.Join(f.certificates, domibus.FileName(alias)+".pem"), certs[alias]); err != nil {
			return err
		}
	}
	return nil
}

// put writes a certificate, unless another one lies there.
func (f importFlags) put(name string, cert *x509.Certificate) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if old, err := os.ReadFile(name); err == nil && !f.force && !bytes.Equal(old, text) {
		return usagef("%s exists with another certificate: --force overwrites it", name)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("writing certificate: %w", err)
	}
	return nil
}

func pmodeExport(t *target) *cobra.Command {
	var e domibus.Export
	var out string
	var force bool
	c := &cobra.Command{
		Use: "export", Short: "Write our P-Modes as the P-Mode XML of Domibus",
		Long: `Write agreements as P-Mode XML for Domibus 5.1: for a partner that runs it, or for
a move to it. What the format cannot say is told on standard error. Certificates
go into the trust store of Domibus, under the names of the parties.`,
		Example: "  oncegate pmode export --partner spain --party spain --endpoint https://ap.example/as4 -O spain.xml\n  oncegate pmode export --file pmodes.yaml",
		Args:    cobra.NoArgs,
	}
	file := fileFlag(c)
	c.Flags().StringVar(&e.Party, "party", "", "whose file it is: our name or that of a partner (default: ours)")
	c.Flags().StringSliceVar(&e.Partners, "partner", nil, "only these partners (default: all)")
	c.Flags().StringVar(&e.Own, "own-name", "", "our name in the file (default: the id of our party)")
	c.Flags().StringVar(&e.Endpoint, "endpoint", "", "where we listen, as partners see it")
	c.Flags().StringVarP(&out, "out", "O", "", "file to write (default: standard output)")
	c.Flags().BoolVar(&force, "force", false, "overwrite the file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		table, err := t.pmodes(c, *file)
		if err != nil {
			return err
		}
		data, notes, err := domibus.Write(table, e)
		if err != nil {
			return usagef("%w", err)
		}
		if err := writeResult(c, out, force, data); err != nil {
			return err
		}
		for _, n := range notes {
			fmt.Fprintln(c.ErrOrStderr(), "note:", n.Text)
		}
		return nil
	}
	return c
}
