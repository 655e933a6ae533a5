package registers

import "embed"

// FS holds the folders of the built-in registers.
//
//go:embed births civil-registry-ee civil-status-it companies companies-nl diplomas-se marriages
//go:embed pensions population-fi population-nl residence tax vehicles
var FS embed.FS
