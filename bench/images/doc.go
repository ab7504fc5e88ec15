// Package images measures the choice among 100,000 tags against what
// image-reflector-controller does at each reconciliation of each policy: parse all
// tags with semver v3, twice as its strict reading wants it, check each against the
// range, and keep the greatest. Its database, from which it reads them anew each
// time, is left out.
package images
