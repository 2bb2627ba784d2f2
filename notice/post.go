package notice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

func (d *Deliverer) post(ctx context.Context, o Owed) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Notice.URL, bytes.NewReader(o.Body))
	if err != nil {
		return errors.New("no address that can be posted to") // the error quotes it
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", d.agent)
	answer, err := d.http.Do(r)
	if err != nil {
		return withoutAddress(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return nil // whatever became of the rest
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return fmt.Errorf("%s: only a redirect to the same host is followed, and only one that keeps the POST", statusOf(answer))
	case err != nil:
		return errors.New(statusOf(answer))
	}
	if text := words(string(said)); text != "" {
		return fmt.Errorf("%s: %s", statusOf(answer), text)
	}
	return errors.New(statusOf(answer))
}

// statusOf is the status in our words: those of the server are anybody's.
func statusOf(answer *http.Response) string {
	return fmt.Sprintf("status %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
}

// sameHost follows 307 and 308 within one host. What is posted is not for others,
// and a redirect that makes a GET of it would lose it.
func sameHost(r *http.Request, via []*http.Request) error {
	const most = 5
	first := via[0].URL
	if len(via) > most || r.Method != http.MethodPost || r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// withoutAddress takes the address out of an error of net/http: it may be a secret.
func withoutAddress(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		if at.Timeout() {
			return errors.New("no answer in time")
		}
		err = at.Err
	}
	return errors.New(words(err.Error())) // a server may have written some of it
}
