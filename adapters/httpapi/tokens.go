package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
)

func (s *Server) createToken(c echo.Context) error {
	var b wire.CreateToken
	if err := bind(c, &b, maxBody); err != nil {
		return err
	}
	n, err := b.NewToken()
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	issued, err := s.cfg.Tokens.Create(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return s.json(c, http.StatusCreated, wire.IssuedTokenOf(issued))
}

func (s *Server) listTokens(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	list, err := s.cfg.Tokens.List(c.Request().Context())
	if err != nil {
		return err
	}
	return s.resource(c, wire.TokenListOf(list))
}

func (s *Server) rotateToken(c echo.Context) error {
	id, err := s.actOnToken(c)
	if err != nil {
		return err
	}
	issued, err := s.cfg.Tokens.Rotate(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.IssuedTokenOf(issued))
}

func (s *Server) deleteToken(c echo.Context) error {
	id, err := s.actOnToken(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Tokens.Delete(c.Request().Context(), id); err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.Message{Message: "the token lets nobody in any more"})
}

// actOnToken binds a request that has nothing but an id.
func (s *Server) actOnToken(c echo.Context) (domain.TokenID, error) {
	id := c.Param("id")
	if !wire.IsID(id) {
		return "", domain.Invalid("token_id", "%q is not a token's id; GET %s/tokens lists them", short(id), api)
	}
	if err := params(c).err; err != nil {
		return "", err
	}
	return domain.TokenID(id), bindNothing(c)
}
