package domain

//go:generate go run slipway/tools/genstates -o ../docs/STATES.md
