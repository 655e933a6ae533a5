//go:build !race

package rulecheck

const raceEnabled = false
