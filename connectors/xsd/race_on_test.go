//go:build race

package xsd_test

const raceOn = true
