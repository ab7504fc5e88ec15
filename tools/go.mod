module github.com/gitopskit/gitopskit/tools

go 1.26.0
