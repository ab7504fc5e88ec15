// Package testpty opens pseudo terminals, on Linux, for tests of what people see.
package testpty
