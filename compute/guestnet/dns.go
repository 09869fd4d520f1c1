package guestnet

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsPort   = 53
	dnsTime   = 4 * time.Second  // for one resolver to answer
	dnsIdle   = 10 * time.Second // without a question
	dnsMost   = 4096             // bytes of a message over UDP
	dnsTTL    = 60               // seconds
	dnsAtOnce = 32
	// localDomain is what hostnames are in (VPC user guide, for us-east-1; one
	// word for all Regions here).
	localDomain = "ec2.internal"
	// ServiceName always names the gateway where it leads to the service.
	ServiceName = "slipway.internal"
	dataName    = "instance-data." + localDomain
)

// names is what the resolver knows by itself.
func (p plan) names() map[string]netip.Addr {
	m := map[string]netip.Addr{}
	if p.Hostname != "" {
		m[p.Hostname], m[p.Hostname+"."+localDomain] = p.guest, p.guest
	}
	if p.Metadata {
		m[dataName] = metadataAddr
	}
	if p.Service {
		for _, n := range append([]string{ServiceName}, p.Names...) {
			m[strings.ToLower(strings.TrimSuffix(n, "."))] = p.gateway
		}
	}
	return m
}

// resolve answers one question. Names of its own first, then what the
// operator's resolvers say, word for word; without internet nothing else is
// told, so that no question leaves the host.
func (n *network) resolve(ctx context.Context, question []byte, over string) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return dnsAnswer(h, nil, dnsmessage.RCodeFormatError)
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone || h.OpCode != 0 {
		return dnsAnswer(h, nil, dnsmessage.RCodeNotImplemented)
	}
	if a, ok := n.names()[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]; ok {
		if q.Type != dnsmessage.TypeA || q.Class != dnsmessage.ClassINET {
			return dnsAnswer(h, &q, dnsmessage.RCodeSuccess)
		}
		return dnsAnswer(h, &q, dnsmessage.RCodeSuccess, a)
	}
	if !n.Internet {
		return dnsAnswer(h, &q, dnsmessage.RCodeRefused)
	}
	select {
	case n.asking <- struct{}{}:
		defer func() { <-n.asking }()
	default:
		return dnsAnswer(h, &q, dnsmessage.RCodeServerFailure)
	}
	for _, r := range n.Resolvers {
		if answer, err := n.ask(ctx, r, question, over); err == nil {
			return answer
		}
	}
	return dnsAnswer(h, &q, dnsmessage.RCodeServerFailure)
}

func dnsAnswer(h dnsmessage.Header, q *dnsmessage.Question, code dnsmessage.RCode, a ...netip.Addr) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: code,
	}}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
		for _, x := range a {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: dnsTTL},
				Body:   &dnsmessage.AResource{A: x.As4()},
			})
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// ask carries a question to a resolver of the host's and its answer back.
func (n *network) ask(ctx context.Context, resolver netip.AddrPort, question []byte, over string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	c, err := n.dial(ctx, over, resolver)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(dnsTime)); err != nil {
		return nil, err
	}
	if over == "tcp" {
		if err := writeSized(c, question); err != nil {
			return nil, err
		}
		return readSized(c)
	}
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	buf := make([]byte, dnsMost)
	for {
		size, err := c.Read(buf)
		if err != nil {
			return nil, err
		}
		if size >= 12 && buf[0] == question[0] && buf[1] == question[1] {
			return buf[:size], nil
		}
	}
}

// answerUDP serves one port of the guest's until it falls silent.
func (n *network) answerUDP(ctx context.Context, c net.Conn) {
	defer c.Close()
	buf := make([]byte, dnsMost)
	for {
		if c.SetReadDeadline(time.Now().Add(dnsIdle)) != nil {
			return
		}
		size, err := c.Read(buf)
		if err != nil {
			return
		}
		if a := n.resolve(ctx, buf[:size], "udp"); a != nil {
			if _, err := c.Write(a); err != nil {
				return
			}
		}
	}
}

func (n *network) answerTCP(ctx context.Context, c net.Conn) {
	defer c.Close()
	for {
		if c.SetDeadline(time.Now().Add(dnsIdle)) != nil {
			return
		}
		q, err := readSized(c)
		if err != nil {
			return
		}
		a := n.resolve(ctx, q, "tcp")
		if a == nil || c.SetDeadline(time.Now().Add(dnsIdle)) != nil || writeSized(c, a) != nil {
			return
		}
	}
}

func writeSized(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

func readSized(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}
