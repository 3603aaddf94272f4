// Package controlpb has the messages and the service of control.proto, generated; package rpc uses
// them.
package controlpb

//go:generate go -C ../../../tools run ./protogen -root .. runtime/controlplane/controlpb/control.proto
