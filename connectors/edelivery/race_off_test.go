//go:build !race

package edelivery

const slow = 1
