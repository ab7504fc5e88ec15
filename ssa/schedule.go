package ssa

import "context"

// schedule keeps count of which objects can be begun.
type schedule struct {
	ready   []*object
	waits   map[*object]int       // how many it still waits for
	unlocks map[*object][]*object // which ones wait for it
	running int
}

func newSchedule(objects []*object) *schedule {
	s := &schedule{waits: make(map[*object]int, len(objects)), unlocks: map[*object][]*object{}}
	for _, o := range objects {
		s.waits[o] = 0
	}
	for _, o := range objects {
		for _, on := range o.after {
			if _, pending := s.waits[on]; pending {
				s.waits[o]++
				s.unlocks[on] = append(s.unlocks[on], o)
			}
		}
	}
	for _, o := range objects {
		if s.waits[o] == 0 {
			s.ready = append(s.ready, o)
		}
	}
	return s
}

func (s *schedule) left() int { return len(s.waits) }

func (s *schedule) canBegin(limit int) bool { return len(s.ready) > 0 && s.running < limit }

func (s *schedule) begin() *object {
	o := s.ready[0]
	s.ready = s.ready[1:]
	s.running++
	return o
}

func (s *schedule) done(o *object) {
	s.running--
	delete(s.waits, o)
	for _, next := range s.unlocks[o] {
		if s.waits[next]--; s.waits[next] == 0 {
			s.ready = append(s.ready, next)
		}
	}
}

// fail takes o out of the schedule, and all that waits for it.
func (s *schedule) fail(o *object) (abandoned []*object) {
	s.running--
	delete(s.waits, o)
	queue := s.unlocks[o]
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		if _, there := s.waits[next]; there {
			delete(s.waits, next)
			abandoned = append(abandoned, next)
			queue = append(queue, s.unlocks[next]...)
		}
	}
	return abandoned
}

// drive calls work for each object when what it waits for is done, at most limit
// at a time, and then settle, one at a time, which takes the object out of the
// schedule and says whether to begin any more. Once ctx has ended none is begun.
func (s *schedule) drive(ctx context.Context, limit int, work func(*object), settle func(*object) bool) {
	done := make(chan *object)
	goOn := true
	for s.left() > 0 {
		for s.canBegin(limit) && goOn && ctx.Err() == nil {
			o := s.begin()
			go func() {
				work(o)
				done <- o
			}()
		}
		if s.running == 0 {
			return
		}
		goOn = settle(<-done) && goOn
	}
}
