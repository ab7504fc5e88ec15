// Package celfilter makes filters of receivers from expressions in CEL.
//
//	f, err := celfilter.Compile(`res.metadata.name == req.repository.name`)
//	if err != nil { … }
//	config.Filter = f
//
// An expression sees two variables, req (the body of the request) and res (the
// object), and gives a bool. It is compiled once; each evaluation is bounded in
// cost. Package celfilter does not read files, variables or the network.
package celfilter
