module goflink

go 1.26
