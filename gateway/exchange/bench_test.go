package exchange_test

import "testing"

// BenchmarkNext runs a provider's exchange from the first request to the receipt.
func BenchmarkNext(b *testing.B) {
	s := providerSide(b)
	words := providerWords()
	var path []func()
	c := s.c
	for _, w := range []string{"first", "second", "person", "found", "approve", "answer arrived"} {
		m := words[w](s)
		s.step(m)
		path = append(path, func() { c, _, _ = c.Next(m, s.w) })
	}
	b.ReportAllocs()
	for b.Loop() {
		c = nil
		for _, step := range path {
			step()
		}
	}
	if !c.Phase.Final() {
		b.Fatalf("the exchange ends in %s", c.Phase)
	}
}
