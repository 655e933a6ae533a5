// Package directory asks the common services of the Once-Only Technical System: the
// Evidence Broker, which evidence proves what, and the Data Service Directory, who
// gives it (TDD 3). It finds the instance of a country in the DNS, verifies and reads
// what it answers, remembers it for a time, and publishes the data services of
// configured countries as routes.
//
// It owns the queries, the addresses, how long answers hold, and the check that an
// answer fits its question. It does not own how they are remembered (remember), what
// is chosen among them (gateway/choice), routing, the wire form of answers
// (directory/answers), their signatures (directory/httpsig), nor the service itself
// (directory/service).
//
// Before it: gateway/choice, through cmd/node, and the clock of the Poller. After it:
// the instances of Member States and of the Commission, which may be down or hostile,
// and routing.route.v1.
package directory
