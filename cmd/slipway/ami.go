package main

func amiCommand() *command {
	return &command{
		name:    "ami",
		summary: "Bring machine images in and out, as a plain AWS client",
		long:    "",
		subs:    []*command{amiLs()},
	}
}
