package tool

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// metadataClient asks the instance metadata service, as its second version wants it:
// with a token. The requests are said by hand, since net/http would make the tool
// half as large again, and every guest reads it from a slow drive.
type metadataClient struct {
	address string // host and port
}

// theMetadata is every machine's own.
var theMetadata = metadataClient{"169.254.169.254:80"}

const (
	metadataTime = 5 * time.Second // for one answer
	metadataMost = 64 << 10        // bytes of one
)

// get returns the status and the text of a path below latest.
func (m metadataClient) get(ctx context.Context, path string) (int, string, error) {
	status, token, err := m.ask(ctx, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60")
	if err != nil || status != 200 {
		return status, "", err
	}
	return m.ask(ctx, "GET", "/latest/"+path, "X-aws-ec2-metadata-token: "+token)
}

func (m metadataClient) ask(ctx context.Context, method, path, header string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", m.address)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	// 1.0: the answer comes in one piece and ends with the connection.
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.0\r\nHost: %s\r\n%s\r\n\r\n", method, path, m.address, header); err != nil {
		return 0, "", err
	}
	r := textproto.NewReader(bufio.NewReader(io.LimitReader(c, metadataMost)))
	line, err := r.ReadLine()
	if err != nil {
		return 0, "", err
	}
	f := strings.Fields(line)
	if len(f) < 2 || !strings.HasPrefix(f[0], "HTTP/1.") {
		return 0, "", fmt.Errorf("the metadata service said %q", line)
	}
	status, err := strconv.Atoi(f[1])
	if err != nil {
		return 0, "", fmt.Errorf("the metadata service said %q", line)
	}
	if _, err := r.ReadMIMEHeader(); err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(r.R)
	return status, string(body), err
}
