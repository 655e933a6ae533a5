// Package service is an Evidence Broker and a Data Service Directory over YAML
// data, for a Member State that runs its own instance and for test beds.
//
// It owns the data (strict YAML, one Member State in each file), the queries and
// their error codes (TDD 3.1, 3.2), the choice of the edition of an answer, code
// lists that questions refer to, and reloading all or nothing. It does not own
// the wire form of answers (answers), the signature (httpsig), nor the reading
// of submissions (lcm), which replace data here. Before it: whoever asks over
// HTTP; after it: nobody.
package service
