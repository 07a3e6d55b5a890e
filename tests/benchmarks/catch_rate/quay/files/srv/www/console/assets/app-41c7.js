console.log("quay console 41c7")
