package wire

import (
	"encoding/json"
	"testing"
)

func TestCheckMembers(t *testing.T) {
	type inner struct {
		Value string `json:"value"`
		Extra *bool  `json:"extra,omitzero"`
	}
	type outer struct {
		IDs  []string          `json:"ids,omitempty"`
		Env  map[string]string `json:"env"`
		List []inner           `json:"list"`
		One  *inner            `json:"one"`
	}
	for _, tt := range []struct{ text, want string }{
		{`{"ids":["a"],"env":{"A":"1","a":"2"},"list":[{"value":"x","extra":true},{"value":"y"}],"one":{"value":"z"}}`, ""},
		{` { "ids" : null , "list" : [] , "one" : null } `, ""},
		{`null`, ""},
		{`{"IDS":[]}`, `unknown field "IDS"`},
		{`{"ids":["a"],"ids":["b"]}`, `field "ids" is given twice`},
		{`{"ids":["a"],"\u0069ds":["b"]}`, `field "ids" is given twice`},
		{`{"env":{"A":"1","A":"2"}}`, `field "A" is given twice`},
		{`{"list":[{"value":"x"},{"Value":"y"}]}`, `unknown field "Value"`},
		{`{"one":{"value":"x","value":"y"}}`, `field "value" is given twice`},
		{`{"idſ":[]}`, `unknown field "idſ"`}, // folds to s
	} {
		var v outer
		if err := json.Unmarshal([]byte(tt.text), &v); err != nil {
			t.Fatal(tt.text, err)
		}
		err := CheckMembers([]byte(tt.text), &v)
		if got := said(err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
	}
	err := CheckMembers([]byte("{\"ids\":[],\n \"Env\":{}}"), &outer{})
	if m, ok := err.(*Member); !ok || m.Offset != 12 {
		t.Errorf("%#v", err)
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
