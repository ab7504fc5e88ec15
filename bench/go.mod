module github.com/gitopskit/gitopskit/bench

go 1.26.0

require github.com/gitopskit/gitopskit v0.0.0
