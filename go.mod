module slipway

go 1.26
