package notify

import (
	"errors"
	"net/http"
)

// Handler takes events that controllers POST as JSON, the way Flux's do: 202 when
// the dispatcher has taken one, 429 for a repetition, 400 for what is no event,
// 413 beyond [MaxEventBytes], 503 while it stops, and 500 when it could not be
// kept, so that the sender tries again.
func Handler(d *Dispatcher) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST an event", http.StatusMethodNotAllowed)
			return
		}
		e, err := ReadEvent(http.MaxBytesReader(w, r.Body, MaxEventBytes+1))
		if err == nil {
			_, err = d.Dispatch(r.Context(), e)
		}
		if err == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		http.Error(w, d.maskError(err).Error(), statusOf(err))
	})
}

func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, ErrDuplicate):
		return http.StatusTooManyRequests
	case errors.Is(err, ErrTooLarge), errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, ErrStopped):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
