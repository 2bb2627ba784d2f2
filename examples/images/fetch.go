package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxBytes bounds what is fetched of a picture.
const maxBytes = 32 << 20

// fetch gets what is at an http:// or https:// address, at most maxBytes. Its
// errors name the address, without its password if it has one.
func fetch(ctx context.Context, from *url.URL) ([]byte, error) {
	get := "GET " + from.Redacted()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", get, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err // which names both
	}
	defer resp.Body.Close() // it was only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", get, resp.Status)
	}
	if resp.ContentLength > maxBytes {
		return nil, fmt.Errorf("%s: %d bytes, and at most %d are read", get, resp.ContentLength, maxBytes)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", get, err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s: more than %d bytes, and no more are read", get, maxBytes)
	}
	return data, nil
}
