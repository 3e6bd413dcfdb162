// Package bootstrap joins the parts: it reads the settings, makes or reads the secrets, builds adapters, use cases and
// edges, and starts and stops them in order. It is the only place that knows more than one adapter, and it holds no rule
// about jobs or servers.
package bootstrap
