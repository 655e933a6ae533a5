package service

// The YAML of one Member State. deploy/directory.yaml explains every key.

type memberFile struct {
	At        place          `yaml:"-"`
	Country   string         `yaml:"country"`
	Broker    *brokerFile    `yaml:"broker,omitempty"`
	Directory *directoryFile `yaml:"directory,omitempty"`
}

type brokerFile struct {
	At           place             `yaml:"-"`
	Requirements []requirementFile `yaml:"requirements,omitempty"`
	Procedures   []procedureFile   `yaml:"procedures,omitempty"`
	Types        []typeFile        `yaml:"evidence_types,omitempty"`
	Proofs       []proofFile       `yaml:"proofs,omitempty"`
}

type requirementFile struct {
	At           place  `yaml:"-"`
	ID           string `yaml:"id"`
	Names        texts  `yaml:"names"`
	Descriptions texts  `yaml:"descriptions,omitempty"`
}

type procedureFile struct {
	At           place             `yaml:"-"`
	ID           string            `yaml:"id"`
	Codes        []string          `yaml:"codes"`
	Titles       texts             `yaml:"titles"`
	Descriptions texts             `yaml:"descriptions,omitempty"`
	Jurisdiction *jurisdictionFile `yaml:"jurisdiction,omitempty"`
	Requirements []string          `yaml:"requirements,omitempty"`
}

type typeFile struct {
	At            place              `yaml:"-"`
	ID            string             `yaml:"id"`
	Titles        texts              `yaml:"titles"`
	Descriptions  texts              `yaml:"descriptions,omitempty"`
	Jurisdictions []jurisdictionFile `yaml:"jurisdictions,omitempty"`
}

type proofFile struct {
	At            place              `yaml:"-"`
	ID            string             `yaml:"id"`
	Requirements  []string           `yaml:"requirements"`
	Names         texts              `yaml:"names,omitempty"`
	All           []string           `yaml:"all,omitempty"`
	NoMatch       texts              `yaml:"no_match,omitempty"`
	Jurisdictions []jurisdictionFile `yaml:"jurisdictions,omitempty"`
}

type jurisdictionFile struct {
	At              place        `yaml:"-"`
	NUTS            string       `yaml:"nuts,omitempty"`
	LAU             string       `yaml:"lau,omitempty"`
	Classifications []listedFile `yaml:"classifications,omitempty"`
}

type listedFile struct {
	At   place  `yaml:"-"`
	List string `yaml:"list"`
	Code string `yaml:"code"`
}

type directoryFile struct {
	At        place          `yaml:"-"`
	CodeLists []codeListFile `yaml:"code_lists,omitempty"`
	Concepts  []conceptFile  `yaml:"concepts,omitempty"`
	Points    []pointFile    `yaml:"access_points,omitempty"`
	Providers []providerFile `yaml:"providers,omitempty"`
	Services  []serviceFile  `yaml:"services,omitempty"`
}

type codeListFile struct {
	At      place      `yaml:"-"`
	Name    string     `yaml:"name"`
	Version string     `yaml:"version"`
	Codes   []codeFile `yaml:"codes"`
}

type codeFile struct {
	At    place  `yaml:"-"`
	Code  string `yaml:"code"`
	Names texts  `yaml:"names"`
}

type conceptFile struct {
	At       place  `yaml:"-"`
	Key      string `yaml:"key"`
	ID       string `yaml:"id"`
	Scheme   string `yaml:"scheme,omitempty"`
	Type     string `yaml:"type"`
	Question texts  `yaml:"question"`
	CodeList string `yaml:"code_list,omitempty"`
	URL      string `yaml:"url,omitempty"`
}

type pointFile struct {
	At         place    `yaml:"-"`
	Key        string   `yaml:"key"`
	ID         string   `yaml:"id"`
	Names      texts    `yaml:"names,omitempty"`
	ConformsTo []string `yaml:"conforms_to"`
}

type providerFile struct {
	At            place              `yaml:"-"`
	Key           string             `yaml:"key"`
	ID            string             `yaml:"id"`
	Names         texts              `yaml:"names"`
	Descriptions  texts              `yaml:"descriptions,omitempty"`
	Point         string             `yaml:"access_point"`
	Address       *addressFile       `yaml:"address,omitempty"`
	Jurisdictions []jurisdictionFile `yaml:"jurisdictions,omitempty"`
	Answers       []answerFile       `yaml:"answers,omitempty"`
}

type addressFile struct {
	At       place  `yaml:"-"`
	Full     string `yaml:"full,omitempty"`
	Number   string `yaml:"number,omitempty"`
	PostCode string `yaml:"post_code,omitempty"`
	City     string `yaml:"city,omitempty"`
	Street   string `yaml:"street,omitempty"`
	Country  string `yaml:"country,omitempty"`
	NUTS     string `yaml:"nuts,omitempty"`
}

type answerFile struct {
	At      place    `yaml:"-"`
	Concept string   `yaml:"concept"`
	Values  []string `yaml:"values"`
}

type serviceFile struct {
	At            place              `yaml:"-"`
	ID            string             `yaml:"id"`
	EvidenceType  string             `yaml:"evidence_type"`
	Titles        texts              `yaml:"titles,omitempty"`
	Descriptions  texts              `yaml:"descriptions,omitempty"`
	Distributions []distributionFile `yaml:"distributions"`
	Assurance     string             `yaml:"assurance,omitempty"`
	Notes         texts              `yaml:"notes,omitempty"`
	Place         *determinationFile `yaml:"place,omitempty"`
	Questions     []string           `yaml:"questions,omitempty"`
	Providers     []string           `yaml:"providers"`
}

type distributionFile struct {
	At             place    `yaml:"-"`
	Formats        []string `yaml:"formats"`
	Languages      []string `yaml:"languages,omitempty"`
	ConformsTo     string   `yaml:"conforms_to,omitempty"`
	Transformation string   `yaml:"transformation,omitempty"`
}

type determinationFile struct {
	At       place  `yaml:"-"`
	ID       string `yaml:"id"`
	Level    string `yaml:"level"`
	Question texts  `yaml:"question"`
}
