package main

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/test/rig"
)

// moto measures moto_server, another server that answers like AWS; ok is false
// when there is none on this machine.
func (b *bench) moto(who reader) (f figures, ok bool, err error) {
	bin, err := exec.LookPath("moto_server")
	if err != nil {
		return f, false, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return f, true, err
	}
	address, port := ln.Addr().String(), ln.Addr().(*net.TCPAddr).Port
	if err := ln.Close(); err != nil {
		return f, true, err
	}
	cmd := exec.CommandContext(b.ctx, bin, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	// What is on the path may be a script that starts the real one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return f, true, err
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	err = rig.Poll(b.ctx, time.Minute, 50*time.Millisecond, func() (bool, error) {
		r, err := http.Get("http://" + address + "/moto-api/data.json")
		if err != nil {
			return false, nil
		}
		return r.StatusCode == http.StatusOK, r.Body.Close()
	})
	if err != nil {
		return f, true, err
	}
	client := ec2.New(ec2.Options{Region: seedRegion, BaseEndpoint: aws.String("http://" + address),
		Credentials: credentials.NewStaticCredentialsProvider(who.id, who.secret, "")})
	for i := range seedAMIs {
		_, err := client.RegisterImage(b.ctx, &ec2.RegisterImageInput{
			Name: aws.String(fmt.Sprintf("base %d", i)), Description: aws.String("made for the bench"), Architecture: types.ArchitectureValuesX8664,
			VirtualizationType: aws.String("hvm"), RootDeviceName: aws.String("/dev/sda1"),
		})
		if err != nil {
			return f, true, err
		}
	}
	s := amis()
	l := load{address: address, requests: s.signed(address, who), status: 200, conns: 64, time: b.readTime, pid: cmd.Process.Pid}
	f, err = l.run()
	return f, true, err
}
