package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// readBody reads a body of at most so many bytes, however it is sent.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, tooLarge(most)
	}
	control := http.NewResponseController(w)
	began := time.Now()
	_ = control.SetWriteDeadline(began.Add(bodyPace.most(most) + writeTimeout)) // fails where writing will
	body := &slowBody{from: io.LimitReader(r.Body, most+1), control: control, began: began}
	text, err := io.ReadAll(body)
	left := time.Time{} // net/http goes on to look whether the client is there
	if err != nil || int64(len(text)) > most {
		left = time.Now().Add(bodyTimeout) // and for the rest of the body
	}
	_ = control.SetReadDeadline(left)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, BadRequest("the body did not come in time; %d bytes did", len(text))
	case err != nil && r.Context().Err() != nil:
		return nil, r.Context().Err()
	case err != nil:
		return nil, BadRequest("the body cannot be read: it broke off after %d bytes", len(text))
	case int64(len(text)) > most:
		return nil, tooLarge(most)
	}
	return text, nil
}

func tooLarge(most int64) error {
	return &Error{CodeTooLarge, fmt.Sprintf("the body is too large: more than %d MB", most>>20)}
}

// slowBody moves the deadline before each Read.
type slowBody struct {
	from    io.Reader
	control *http.ResponseController
	began   time.Time
	read    int64
}

func (b *slowBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(bodyPace.due(b.began, b.read)) // fails where reading will
	n, err := b.from.Read(p)
	b.read += int64(n)
	return n, err
}
