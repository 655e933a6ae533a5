package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A rival is an implementation under test: a process that receives and sends for B.
type rival interface {
	String() string
	of() *process
	// url is where it receives messages of the profile.
	url(profile) string
	// send makes it send so many messages and returns how many were acknowledged.
	send(ctx context.Context, p profile, count, concurrency int) (int, error)
}

type oncegate struct {
	*process
}

func (o oncegate) String() string     { return o.name }
func (o oncegate) of() *process       { return o.process }
func (o oncegate) url(profile) string { return o.process.url }

func (o oncegate) send(ctx context.Context, p profile, count, concurrency int) (int, error) {
	var got struct{ Acknowledged int }
	err := o.ask(ctx, command{Do: "send", Action: p.action(), Count: count, Concurrency: concurrency}, &got)
	return got.Acknowledged, err
}

// startOncegate starts a program of this package as an access point.
func startOncegate(ctx context.Context, name, program, dir, as, sink, provider string) (oncegate, error) {
	p, err := start(ctx, name, program, "serve", "-dir", dir, "-as", as, "-url", sink, "-provider", provider, "-profile", dir)
	return oncegate{p}, err
}

// phase4 is the Java peer of the interop tests with a station for each profile.
type phase4 struct {
	*process
	sink     string
	dir      string
	stations map[profile]phase4Station
}

type phase4Station struct {
	ID  string `json:"station"`
	URL string `json:"url"`
}

func (p phase4) String() string        { return p.name }
func (p phase4) of() *process          { return p.process }
func (p phase4) url(of profile) string { return p.stations[of].URL }

func startPhase4(ctx context.Context, jars, heap, dir, sink string) (phase4, error) {
	cp := filepath.Join(jars, "peer.jar") + string(os.PathListSeparator) + filepath.Join(jars, "lib", "*")
	// The serial collector spends the least CPU time on two cores.
	proc, err := start(ctx, "phase4", "java", "-Xmx"+heap, "-XX:+UseSerialGC", "-cp", cp, "peer.Peer")
	if err != nil {
		return phase4{}, err
	}
	p := phase4{process: proc, sink: sink, dir: dir, stations: map[profile]phase4Station{}}
	for _, of := range profiles() {
		var s phase4Station
		key := func(use string) map[string]string {
			name := filepath.Join(dir, fileOf(partyB, of, use))
			return map[string]string{"certificate": name + ".pem", "key": name + ".key"}
		}
		err := p.ask(ctx, map[string]any{
			"do": "station", "profile": of.phase4, "encrypted": true, "token": "bst", "counting": true,
			"sign": key("sign"), "decrypt": key("decrypt"), "trust": filepath.Join(dir, "authority.pem"),
		}, &s)
		if err != nil {
			return p, errors.Join(err, p.stop())
		}
		p.stations[of] = s
	}
	if err := os.WriteFile(filepath.Join(dir, "document.xml"), document, 0o600); err != nil {
		return p, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p phase4) send(ctx context.Context, of profile, count, concurrency int) (int, error) {
	type object map[string]any
	var got struct{ Acknowledged int }
	err := p.ask(ctx, object{
		"do": "send-many", "count": count, "concurrency": concurrency, "station": p.stations[of].ID, "url": p.sink,
		"message": "unused", "conversation": conversation, "service": service.Value, "service_type": service.Type, "action": of.action(),
		"from": partyB, "from_type": partyType, "from_role": role, "to": partyA, "to_type": partyType, "to_role": role,
		"properties": []object{
			{"name": "originalSender", "type": partyType, "value": "C1"}, {"name": "finalRecipient", "type": partyType, "value": "C4"},
		},
		"certificate": filepath.Join(p.dir, fileOf(partyA, of, "decrypt")+".pem"),
		"parts":       []object{{"file": filepath.Join(p.dir, "document.xml"), "type": "application/xml", "id": partID, "gzip": true}},
	}, &got)
	if err != nil {
		return 0, fmt.Errorf("sending with phase4: %w", err)
	}
	return got.Acknowledged, nil
}
