//go:build race

package edelivery

const slow = 16 // sizes are divided by it under the race detector
