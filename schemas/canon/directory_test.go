package canon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/schemas/canon"
)

func TestQuestionCheck(t *testing.T) {
	list := canon.Question{Type: canon.QuestionCodelist, Choices: []canon.Choosable{{Value: "north"}, {Value: "south"}}}
	for _, c := range []struct {
		name  string
		q     canon.Question
		value string
		want  error
	}{
		{"a choice", list, "south", nil},
		{"not a choice", list, "west", canon.ErrNotAChoice},
		{"nothing", list, "", canon.ErrNotOneAnswer},
		{"a list without choices", canon.Question{Type: canon.QuestionCodelist}, "x", canon.ErrNotAChoice},
		{"yes", canon.Question{Type: canon.QuestionBoolean}, "true", nil},
		{"a boolean of another spelling", canon.Question{Type: canon.QuestionBoolean}, "1", canon.ErrNotBoolean},
		{"free text", canon.Question{Type: canon.QuestionString}, "anything", nil},
		{"a place", canon.Question{Type: canon.QuestionPlace}, "11000000", nil},
		{"too long", canon.Question{Type: canon.QuestionString}, strings.Repeat("x", 257), canon.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.q.Check(c.value); !errors.Is(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestAnswer: concepts go into the evidence request, a place does not; a second
// answer replaces the first, in this query alone.
func TestAnswer(t *testing.T) {
	var d canon.DataServicesQuery
	concept := canon.Question{ID: "a", Type: canon.QuestionBoolean, Scheme: "https://sr.example/codelists/SE/x"}
	for _, step := range []struct {
		q     canon.Question
		value string
	}{
		{canon.Question{ID: "p", Type: canon.QuestionPlace, Level: "LAU"}, "11000000"},
		{concept, "true"},
	} {
		if err := d.Answer(step.q, step.value); err != nil {
			t.Fatal(err)
		}
	}
	earlier := d
	if err := d.Answer(concept, "false"); err != nil {
		t.Fatal(err)
	}
	// Not cmp: what a person answered prints nothing of itself, so a diff is empty.
	if want := (canon.PlaceAnswer{Context: "p", Level: "LAU", Code: "11000000"}); d.Place != want {
		t.Error("the place is not what was answered")
	}
	if len(d.Concepts) != 1 || d.Concepts[0].Values[0] != "false" || d.Concepts[0].Kind != "boolean" || d.Concepts[0].Scheme != concept.Scheme {
		t.Error("the concept is not what was answered last")
	}
	if earlier.Concepts[0].Values[0] != "true" {
		t.Error("an earlier query changed")
	}
	if err := d.Answer(concept, "no such"); err == nil || strings.Contains(err.Error(), "no such") {
		t.Errorf("got %v, want an error without the value", err)
	}
	if s := fmt.Sprintf("%v %+v", d, d.Place); strings.Contains(s, "11000000") {
		t.Errorf("a query prints the place: %s", s)
	}
}

// TestDirectoryJSON: portals get answers as JSON and give them back unchanged.
func TestDirectoryJSON(t *testing.T) {
	want := canon.RequirementsAnswer{Requirements: []canon.DirectoryRequirement{{
		Requirement: canon.Requirement{ID: "https://sr.example/requirements/1", Names: []canon.Text{{Lang: "EN", Text: "Birth"}}},
		Options:     []canon.EvidenceOption{{ID: "o", NoMatch: true, Jurisdictions: []canon.Jurisdiction{{Country: "FI"}}}},
	}}}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got canon.RequirementsAnswer
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if !strings.Contains(string(data), `"requirements":[{"id":"https://sr.example/requirements/1"`) {
		t.Errorf("an embedded requirement is not flat: %s", data)
	}
}
