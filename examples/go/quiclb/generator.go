package quiclb

import "github.com/quic-go/quic-go"

// Generator lets quic-go give out the Connection IDs of a Minter:
//
//	transport := quic.Transport{Conn: socket, ConnectionIDGenerator: quiclb.Generator{Minter: minter}}
type Generator struct{ Minter *Minter }

var _ quic.ConnectionIDGenerator = Generator{}

// GenerateConnectionID fails when no nonce is left; quic-go then refuses the connection.
func (g Generator) GenerateConnectionID() (quic.ConnectionID, error) {
	cid, err := g.Minter.Mint()
	if err != nil {
		return quic.ConnectionID{}, err
	}
	return quic.ConnectionIDFromBytes(cid), nil
}

// ConnectionIDLen is the length of every Connection ID, 6 to 20 octets.
func (g Generator) ConnectionIDLen() int { return g.Minter.Length() }
