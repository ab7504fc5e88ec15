// Package celstatus makes the contexts of commit statuses by expressions in CEL, as
// the field commitStatusExpr of Flux's Provider asks for.
//
//	e, err := celstatus.Compile(`event.involvedObject.kind + "/" + event.metadata.cluster`)
//	if err != nil { … }
//	sender, err := provider.New(provider.Config{
//		Type: "github", Address: repository, Token: token, HTTP: pool,
//		CommitStatus: e.For(celstatus.Objects{Provider: object}),
//	})
//
// An expression sees event (its JSON, with metadata as it is sent), provider and alert
// (the objects as decoded JSON, empty where not given), and gives a string. It is
// compiled once; each evaluation is bounded in cost. It reads no file, variable or
// network. An expression that needs a value that is not there fails, and the
// status is then not sent; event.metadata.?cluster.orValue("none") allows for it.
package celstatus
