package swa

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fileRSS is how many bytes of files and shared memory are resident.
func fileRSS(t *testing.T) (n int64) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		name, v, _ := strings.Cut(line, ":")
		if name == "RssFile" || name == "RssShmem" {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			n += kb << 10
		}
	}
	return n
}

// Pages of a large mapping are given back while it is there, those that were written
// too, and nothing of the content is lost, whenever that happens.
func TestPagesAreGivenBack(t *testing.T) {
	content := make([]byte, ResidentFrom+4096+5)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(content) // cannot fail
	pad := bytes.Repeat([]byte{0x5a}, len(content))
	s := NewSpool(t.TempDir(), 0)
	if _, err := s.Write(content); err != nil {
		t.Fatal(err)
	}
	before := fileRSS(t)
	b, err := s.Roomy(28)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:len(content)+28]
	for range 8 { // writing and giving back meet in any order
		subtle.XORBytes(b, b, pad)
		subtle.XORBytes(content, content, pad)
		if !bytes.Equal(b[:len(content)], content) {
			t.Fatal("content was lost")
		}
	}
	copy(b[len(content):], "the room behind the content.")
	want := sha256.Sum256(b)
	tick, late := time.NewTicker(residentFor), time.After(10*time.Second)
	defer tick.Stop()
	for fileRSS(t) > before+ResidentFrom/4 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d bytes of files are resident, %d before", fileRSS(t), before)
		}
	}
	if sha256.Sum256(b) != want {
		t.Error("content was lost with its pages")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.pages != nil {
		t.Error("pages of what is no longer mapped are given back")
	}
}

// Small parts are left alone.
func TestSmallMappingsHaveNoTrimmer(t *testing.T) {
	s := NewSpool(t.TempDir(), 0)
	if _, err := s.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bytes(); err != nil || s.pages != nil {
		t.Errorf("trimmer %v, %v", s.pages, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
