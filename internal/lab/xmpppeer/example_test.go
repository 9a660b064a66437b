package xmpppeer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
)

// A server, and a stream by hand that does one thing wrong after the other.
func Example() {
	ctx := context.Background()
	root := ca.New("Lab Root")
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert().X509)
	contoso := root.Issue(ca.Leaf{DNS: []string{"contoso.com"}}).TLS
	fabrikam := root.Issue(ca.Leaf{DNS: []string{"fabrikam.com"}}).TLS

	var network xmpppeer.Network
	ln, err := network.Listen("192.0.2.1:5269")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := xmpppeer.NewServer(xmpppeer.Config{
		Domains:      []string{"contoso.com"},
		Certificates: map[string]*tls.Certificate{"contoso.com": &contoso},
		Roots:        roots,
	})
	defer server.Close()
	server.Serve(ln)
	bob := server.User("bob@contoso.com")

	conn, err := network.DialContext(ctx, "tcp", "192.0.2.1:5269")
	if err != nil {
		fmt.Println(err)
		return
	}
	header := xmpppeer.Header{From: "fabrikam.com", To: "contoso.com"}
	s, err := xmpppeer.Dial(ctx, conn, xmpppeer.DialOptions{
		From: header.From, To: header.To, Certificate: &fabrikam, Until: xmpppeer.Reoffered,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println(s.External(ctx, "litware.com"))
	fmt.Println(s.External(ctx, "fabrikam.com"))
	_, err = s.Open(ctx, header)
	fmt.Println(err)
	_, err = s.Features(ctx)
	fmt.Println(err)

	fmt.Println(s.Send("<message from='alice@fabrikam.com' to='bob@contoso.com'><body>hello</body></message>"))
	got, err := bob.Receive(ctx)
	fmt.Println(got.Body(), err)

	fmt.Println(s.Send("<message from='eve@litware.com' to='bob@contoso.com'/>"))
	_, err = s.Next(ctx) // the server tells by a stream error, which is an element like others
	fmt.Println(err)
	fmt.Println(s.AwaitEnd(ctx))

	// Output:
	// xmpppeer: EXTERNAL failed: invalid-authzid ""
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// hello <nil>
	// <nil>
	// <nil>
	// xmpppeer: the other side ended the stream
}
