package service

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Lists says which codes there are, by the names of oots-tdd.md i.
type Lists interface{ Has(list, code string) bool }

var (
	uuidWord   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	keyWord    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	semanticID = regexp.MustCompile(`^https://sr(\.acc)?\.oots\.tech\.(ec\.)?europa\.eu/`)
	need       = regexp.MustCompile(`^/requirements/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	kind       = regexp.MustCompile(`^/evidencetypeclassifications/([A-Z]{2}|oots)/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	edmVersion = regexp.MustCompile(`^oots-edm:v[0-9]+\.[0-9]+$`)
	nutsWord   = regexp.MustCompile(`^[A-Z]{2}[0-9A-Z]{1,3}$`)
	lauWord    = regexp.MustCompile(`^[0-9A-Za-z_]{1,16}$`)
)

// semantic returns the path of an identifier of the Semantic Repository.
func semantic(s string) (string, bool) {
	host := semanticID.FindString(s)
	return strings.TrimPrefix(s, strings.TrimSuffix(host, "/")), host != ""
}

func requirementID(s string) bool {
	path, ok := semantic(s)
	return ok && need.MatchString(path)
}

// evidenceTypeID returns the country of an evidence type classification.
func evidenceTypeID(s string) (country string, ok bool) {
	path, ok := semantic(s)
	m := kind.FindStringSubmatch(path)
	if !ok || m == nil {
		return "", false
	}
	return m[1], true
}

func httpsURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && len(s) <= 2048
}

// dataModel is a model in the Semantic Repository; the first drafts called them distributions.
func dataModel(s string) bool {
	path, ok := semantic(s)
	return ok && (strings.HasPrefix(path, "/datamodels/") || strings.HasPrefix(path, "/distributions/"))
}

const (
	schemeEAS          = "urn:cef.eu:names:identifier:EAS:"
	schemeUnregistered = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
)

func organisationScheme(lists Lists, s string) bool {
	if code, ok := strings.CutPrefix(s, schemeEAS); ok {
		return lists.Has("EAS", code)
	}
	rest, ok := strings.CutPrefix(s, schemeUnregistered)
	return ok && (rest == "" || strings.HasPrefix(rest, ":") && len(rest) > 1)
}

// structured are the formats that a program reads; they name their data model.
func structured(format string) bool {
	return format == "application/xml" || format == "application/json"
}

func levels() []string { return []string{"Country", "NUTS1", "NUTS2", "NUTS3", "LAU"} }

func level(s string) bool { return slices.Contains(levels(), s) }
