package web

import "testing"

// People are told what happens to their data before they identify themselves, on every
// page and in their language.
//
// Covers: B-020, B-065
func TestPeopleAreToldWhatHappensToTheirData(t *testing.T) {
	const link = `<a href="https://www.example.lv/privacy">`
	w := newWorld(t)
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	b.get(location).want(t, 200, "Identify yourself", link+"How your data are processed</a>", "Using this service is voluntary", "nothing is sent")
	b.get(location+"?lang=de").want(t, 200, link).wantNot(t, "How your data are processed")
	b.get(location+"?lang=en").want(t, 200)
	b.identify(location).want(t, 200, "Fiktiva", link, "Using this service is voluntary")
	b.get(location+"x").want(t, 404, link)
}
